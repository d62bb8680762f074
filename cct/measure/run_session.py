"""Images through a session, in parts where the model fixes its batch size; what each image was answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cct.errors import CctError
from cct.limits import check_input_size
from cct.messages import first_line

Floats = NDArray[np.floating]


def run(opened: Any, images: Floats) -> list[Floats]:
    """Every output of a session for images (N, C, H, W), as `in_parts` gives them.

    Raises:
        CctError: the model does not take these images, or answers something else than numbers.
    """
    first = image_input(opened)
    wanted = [d if isinstance(d, int) else None for d in first.shape]
    if len(wanted) != 4 or any(w not in (None, s) for w, s in zip(wanted[1:], images.shape[1:], strict=True)):
        raise CctError(f"the model takes images of {first.shape[1:]}, the data has {list(images.shape[1:])}")
    return in_parts(lambda part: opened.run(None, {first.name: part}), images, batch_of(opened))


def image_input(opened: Any) -> Any:
    """The one input of a session, which takes images.

    Raises:
        CctError: it has another number of inputs, or one of another type.
    """
    inputs = opened.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        types = ", ".join(value.type for value in inputs) or "nothing"
        raise CctError(f"the model takes {types}: it must take one tensor(float) of images (N, C, H, W)")
    return inputs[0]


def batch_of(opened: Any) -> int | None:
    """Images that the model takes at once, None for any number."""
    shape = image_input(opened).shape
    return shape[0] if shape and isinstance(shape[0], int) else None


def in_parts(call: Callable[[Floats], Sequence[Any]], images: Floats, size: int | None) -> list[Floats]:
    """Every output of `call` for all images, given `size` at a time; the last part is filled up with zeros.

    Returns:
        (N, ...) each. An output whose first dimension is another one is the answer to every image of its part.

    Raises:
        CctError: `size` is very large, `call` raised, or answered something else than numbers.
    """
    if size is not None:
        check_input_size((size, *images.shape[1:]))
    size = size or len(images)
    parts = []
    for start in range(0, len(images), size):
        part = images[start : start + size]
        padded = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
        try:
            answers = call(padded)
        except Exception as error:  # ONNX Runtime and onnx.reference raise many kinds
            raise CctError(f"the model does not run on {list(padded.shape)} ({first_line(error)})") from error
        for answer in answers:
            if not isinstance(answer, np.ndarray) or answer.dtype.kind not in "fiu":
                what = answer.dtype if isinstance(answer, np.ndarray) else f"a {type(answer).__name__}"
                raise CctError(f"the model answers {what}: it must answer numbers for each image")
        parts.append([by_image(answer, size)[: len(part)] for answer in answers])
    try:
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]
    except ValueError as error:
        raise CctError(f"the model answers arrays of another shape to other images ({first_line(error)})") from error


def by_image(answer: Floats, size: int) -> Floats:
    """An output as the answer to each of `size` images, first dimension `size`."""
    return answer if answer.shape[:1] == (size,) else np.broadcast_to(answer, (size, *answer.shape))


def not_finite(outputs: Sequence[Floats]) -> NDArray[np.bool_]:
    """Whether the answer to an image holds NaN or infinity, in any output: (N,)."""
    finite = [np.isfinite(output).reshape(len(output), -1).all(1) for output in outputs]
    return np.logical_not(np.stack(finite).all(axis=0))
