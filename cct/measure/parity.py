"""`parity`: do all ways to run a file agree?

The error of an output, (N, ...) for N images, is the worst over its axes, over the places on the axis:

    error = max_axis max_j  max|a_j - b_j| / max(s_j, 0.1 min(1, median of the s_j > 0)),   s_j = median of |b_j| > 0

`a_j` and `b_j` are what stands at place j of the axis, of all other axes: for logits (N, classes), those of one class,
and those of one image. So each class, each image, each channel, each row of a box is held to its own typical size, and
one that is large (a class that is masked by -1e9, an image that is answered with 1e9, coordinates beside scores) can't
hide what another one does. The floor is for places that answer next to nothing, where rounding is all there is; that it
is never above 0.1 keeps a majority of large places from lifting it. An error that is not finite is no agreement. Of
logits, (N, classes), the same is asked once more when each image's median is taken off: what is added to all classes
decides nothing, and hides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator

from cct.errors import CctError, LibraryError
from cct.measure.run_session import Floats, batch_of, in_parts, run
from cct.messages import first_line
from cct.operator.types import Types
from cct.runtime.session import session

if TYPE_CHECKING:
    import torch

_FLOOR = 0.1


def parity(
    path: Path,
    batches: Iterable[Floats],
    module: torch.nn.Module | None = None,
    *,
    provider: str = "cpu",
    reference: bool = True,
    seen: Sequence[Floats] | None = None,
) -> dict[str, float]:
    """The error of the library against each other way to run the model.

    Args:
        path: the ONNX file.
        batches: images (n, C, H, W) float32; at least one.
        module: the pruned torch module, for a leg of its own.
        provider: where the library runs.
        seen: what accuracy was told about these images, all outputs; a leg of its own.
        reference: whether onnx.reference is asked too, which takes seconds an image and gets the first and the last.

    Returns:
        Leg -> error: "one by one", the library again with each image alone; "accuracy", what accuracy was told; "body"
        and "body one by one", without the library; "onnx.reference"; "torch".

    Raises:
        CctError: the model or the module does not run on the images, or they answer arrays of different shapes.
    """
    opened, plain = session(path, provider=provider), session(path, library=False)
    answers: dict[str, list[list[Floats]]] = {}
    ends: list[Floats] = []
    for images in batches:
        legs = {"library": run(opened, images), "body": run(plain, images)}
        alone = [run(opened, image[None]) for image in images]
        legs["one by one"] = [np.concatenate(outputs) for outputs in zip(*alone, strict=True)]
        alone = [run(plain, image[None]) for image in images]
        legs["body one by one"] = [np.concatenate(outputs) for outputs in zip(*alone, strict=True)]
        if module is not None:
            legs["torch"] = in_parts(_answers_of(module), images, batch_of(opened))
        for leg, outputs in legs.items():
            answers.setdefault(leg, []).append(outputs)
        ends = [ends[0] if ends else images[0], images[-1]]
    whole = {leg: [np.concatenate(parts) for parts in zip(*outputs, strict=True)] for leg, outputs in answers.items()}
    library = whole.pop("library")
    if seen is not None:
        whole["accuracy"] = list(seen)
    errors = {leg: error_of(path, library, outputs) for leg, outputs in whole.items()}
    if reference:
        outputs = _reference(path, np.stack(ends), batch_of(opened))
        errors["onnx.reference"] = error_of(path, [o[[0, -1]] for o in library], outputs, whole["body"])
    return errors


def check_parity(errors: Mapping[str, float], types: Types) -> None:
    """Make sure that a file which was just exported says what it should.

    Args:
        errors: as `parity` gives them.
        types: of the file.

    Raises:
        LibraryError: an error is larger than rounding explains.
    """
    limits = {leg: types.error_limit(leg) for leg in errors}
    if not all(error <= limits[leg] for leg, error in errors.items()):
        raise LibraryError(f"the exported model answers wrongly: {errors} (limits {limits}); please report it")


def error_of(path: Path, a: Sequence[Floats], b: Sequence[Floats], scale: Sequence[Floats] | None = None) -> float:
    """The worst error over the outputs of `path`.

    Args:
        path: the file, for the message.
        a: outputs of the library, (N, ...) each.
        b: outputs of another way to run it.
        scale: answers to more images, whose size counts instead of that of `b`.

    Raises:
        CctError: the outputs are of different number or shape.
    """
    shapes = [[output.shape for output in outputs] for outputs in (a, b)]
    if shapes[0] != shapes[1]:
        ours, others = (", ".join(str(list(shape)) for shape in side) for side in shapes)
        raise CctError(f"{path} answers {ours}, and what it is compared with {others}: it is of another network")
    return max(
        (relative_error(*outputs) for outputs in zip(a, b, scale or b, strict=True)), key=_worst_last, default=0.0
    )


def relative_error(a: Floats, b: Floats, scale: Floats | None = None) -> float:
    """The error of one output, (N, ...), as this module defines it; NaN where something is not finite.

    Args:
        a: what is judged.
        b: what it is held against, of the same shape.
        scale: answers to more images, whose size counts instead of that of `b`.
    """
    if scale is None:
        scale = b
    if not a.size:
        return 0.0
    if not all(np.isfinite(values).all() for values in (a, b, scale)):
        return math.nan
    a, b, scale = (values.astype(np.float64) for values in (a, b, scale))
    worst = _plain_error(a, b, scale)
    if a.ndim == 2 and a.shape[1] > 2:
        worst = max(worst, _plain_error(*(values - np.median(values, 1, keepdims=True) for values in (a, b, scale))))
    return worst


def _plain_error(a: NDArray[np.float64], b: NDArray[np.float64], scale: NDArray[np.float64]) -> float:
    difference, sizes = np.abs(a - b), np.abs(scale)
    if a.ndim == 1:
        difference, sizes = difference[:, None], sizes[:, None]
    axes = range(0 if len(a) == len(scale) else 1, difference.ndim)  # images of another set have no size of their own
    return max(_along(axis, difference, sizes) for axis in axes)


def _along(axis: int, difference: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """The worst over the places of an axis."""
    most = np.moveaxis(difference, axis, 0).reshape(difference.shape[axis], -1).max(1)
    places = np.moveaxis(sizes, axis, 0).reshape(sizes.shape[axis], -1)
    size = np.array([np.median(place[place > 0]) if place.any() else 0.0 for place in places])
    typical = float(np.median(size[size > 0])) if size.any() else 1.0  # against nothing but zeros: as it is
    return float((most / np.maximum(size, _FLOOR * min(1.0, typical))).max())


def _worst_last(error: float) -> float:
    """For `max`: NaN is the worst."""
    return math.inf if math.isnan(error) else error


def _answers_of(module: torch.nn.Module) -> Callable[[Floats], list[Floats]]:
    """A function that gives all tensors which the module answers, in the order of an export."""
    import torch
    from torch.utils._pytree import tree_leaves

    from cct.measure.run_module import answer

    module.eval()

    def call(images: Floats) -> list[Floats]:
        leaves = tree_leaves(answer(module, torch.from_numpy(images)))
        return [leaf.numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]

    return call


def _reference(path: Path, images: Floats, batch: int | None) -> list[Floats]:
    try:
        inlined = ReferenceEvaluator(inline_local_functions(onnx.load(path)))
    except Exception as error:  # it does not know every operator
        raise CctError(f"{path}: onnx.reference can't run it ({first_line(error)})") from error
    name = str(inlined.input_names[0])
    with np.errstate(all="ignore"):  # numpy would warn of NaN and infinity, which the error tells
        return in_parts(lambda part: [np.asarray(output) for output in inlined.run(None, {name: part})], images, batch)
