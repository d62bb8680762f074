"""Do all ways to run a file agree, and did the library run it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator

from cct.errors import CctError, LibraryError
from cct.input_size import check_input_size
from cct.library import supported
from cct.node_times import profile
from cct.onnx_file import pattern_convs
from cct.operator import NAME, NAMES
from cct.runtime import PROVIDERS, session
from cct.text import first_line

if TYPE_CHECKING:
    import torch

PARITY_IMAGES = 16
REFERENCE_IMAGES = 2  # onnx.reference takes seconds an image

# max|a - b| / max|b|; a hundred times what a deep network comes to. A GPU rounds float32 to tf32, as long as float16.
MAX_ERROR = {"float32": 1e-4, "tf32": 2e-2, "float16": 2e-2}

Floats = NDArray[np.floating]


def run(opened: Any, images: Floats) -> Floats:
    """First output of a session for images (N, C, H, W), in parts where the model fixes its batch size.

    Raises:
        CctError: the model does not take these images, or answers something else than numbers for each of them.
    """
    first = image_input(opened)
    wanted = [d if isinstance(d, int) else None for d in first.shape]
    if len(wanted) != 4 or any(w not in (None, s) for w, s in zip(wanted[1:], images.shape[1:], strict=True)):
        raise CctError(f"the model takes images of {first.shape[1:]}, the data has {list(images.shape[1:])}")
    return _in_parts(lambda part: opened.run(None, {first.name: part}), images, _batch(opened))


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


def _batch(opened: Any) -> int | None:
    """Images that the model takes at once, None for any number."""
    size = image_input(opened).shape[0]
    return size if isinstance(size, int) else None


def _in_parts(call: Callable[[Floats], Any], images: Floats, size: int | None) -> Floats:
    """First output of `call` for all images, given `size` at a time; the last part is filled up with zeros.

    Raises:
        CctError: `size` is very large, `call` raised, or answered something else than numbers for each image.
    """
    if size is not None:
        check_input_size((size, *images.shape[1:]))
    size = size or len(images)
    answers = []
    for start in range(0, len(images), size):
        part = images[start : start + size]
        padded = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
        try:
            answer = next(iter(call(padded)), None)
        except Exception as error:  # ONNX Runtime and onnx.reference raise many kinds
            raise CctError(f"the model does not run on {list(padded.shape)} ({first_line(error)})") from error
        if not isinstance(answer, np.ndarray) or answer.shape[:1] != (size,) or answer.dtype.kind not in "fiu":
            what = list(answer.shape) if isinstance(answer, np.ndarray) else f"a {type(answer).__name__}"
            raise CctError(f"the model answers {what} for {size} images: it must answer numbers for each")
        answers.append(answer[: len(part)])
    return np.concatenate(answers)


def parity(path: Path, images: Floats, module: torch.nn.Module | None, provider: str = "cpu") -> dict[str, float]:
    """Relative error max|a - b| / max|b| of the library against each other way to run the model.

    Args:
        path: the ONNX file.
        images: (N, C, H, W) float32; onnx.reference sees the first two.
        module: the pruned torch module, for a leg of its own.
        provider: where the library runs.

    Raises:
        CctError: the model or the module does not run on the images.
    """
    import torch

    from cct.example import answer

    opened = session(path, provider=provider)
    library = run(opened, images)
    others = {"body": run(session(path, library=False), images)}
    inlined = ReferenceEvaluator(inline_local_functions(onnx.load(path)))
    others["onnx.reference"] = _in_parts(
        lambda part: inlined.run(None, {str(inlined.input_names[0]): part}), images[:REFERENCE_IMAGES], _batch(opened)
    )
    if module is not None:
        wanted = answer(module.eval(), torch.from_numpy(images))
        if not isinstance(wanted, torch.Tensor) or wanted.shape != library.shape:
            raise CctError(f"the pruned weights answer something else than {list(library.shape)}: {path} is of another")
        others["torch"] = wanted.numpy()
    return {leg: relative(library[: len(other)], other) for leg, other in others.items()}


def check_parity(errors: Mapping[str, float], weights: str, activations: str) -> None:
    """Make sure that a file which was just exported says what it should.

    Args:
        errors: as `parity` gives them.
        weights, activations: types of the file, "float32" or "float16".

    Raises:
        LibraryError: an error is larger than rounding explains.
    """
    # Against torch the rounding of the weights counts too; min(): "float16" if either is.
    limits = {leg: MAX_ERROR[min(weights, activations) if leg == "torch" else activations] for leg in errors}
    if not all(error <= limits[leg] for leg, error in errors.items()):
        raise LibraryError(f"the exported model answers wrongly: {errors} (limits {limits}); please report it")


def proof(path: Path, images: Floats, provider: str = "cpu") -> int:
    """Number of PatternConv nodes that ONNX Runtime's profile shows running on `provider`.

    0 on a platform that has no library: there the model runs as dense convolutions, as `cct.session` has said.

    Raises:
        LibraryError: one of them did not run there.
    """
    wanted = len(pattern_convs(ir.load(path)))
    if not supported():
        return 0
    events = profile(path, lambda opened: run(opened, images[:1]), provider=provider)
    ran = {
        e["args"]["node_index"]
        for e in events
        if e["args"].get("op_name") in NAMES and e["args"].get("provider") == PROVIDERS[provider]
    }
    if len(ran) != wanted:
        raise LibraryError(f"{path}: {len(ran)} of {wanted} {NAME} nodes ran on {PROVIDERS[provider]}")
    return wanted


def relative(a: Floats, b: Floats) -> float:
    """max|a - b| / max|b|; max|a| where b is all zeros."""
    scale = float(abs(b).max())
    return float(abs(a - b).max()) / scale if scale else float(abs(a).max())
