"""Do all ways to run a file agree, and did the library run it?"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator

from cct.errors import CctError, LibraryError
from cct.library import supported
from cct.operator import DOMAIN, NAME
from cct.runtime import PROVIDERS, session

if TYPE_CHECKING:
    import torch

PARITY_IMAGES = 16
REFERENCE_IMAGES = 2  # onnx.reference takes seconds an image

Floats = NDArray[np.floating]


def run(opened: Any, images: Floats) -> Floats:
    """First output of a session for images (N, C, H, W), in parts where the model fixes its batch size.

    Raises:
        CctError: the images do not have the model's shape.
    """
    first = opened.get_inputs()[0]
    wanted = [d if isinstance(d, int) else None for d in first.shape]
    if len(wanted) != 4 or any(w not in (None, s) for w, s in zip(wanted[1:], images.shape[1:], strict=True)):
        raise CctError(f"the model takes images of {first.shape[1:]}, the data has {list(images.shape[1:])}")
    return _in_parts(lambda part: opened.run(None, {first.name: part}), images, _batch(opened))


def _batch(opened: Any) -> int | None:
    """Images that the model takes at once, None for any number."""
    size = opened.get_inputs()[0].shape[0]
    return size if isinstance(size, int) else None


def _in_parts(call: Callable[[Floats], Any], images: Floats, size: int | None) -> Floats:
    """First output of `call` for all images, given `size` at a time; the last part is filled up with zeros."""
    size = size or len(images)
    answers = []
    for start in range(0, len(images), size):
        part = images[start : start + size]
        padded = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
        answers.append(call(padded)[0][: len(part)])
    return np.concatenate(answers)


def parity(path: Path, images: Floats, module: torch.nn.Module | None, provider: str = "cpu") -> dict[str, float]:
    """Relative error max|a - b| / max|b| of the library against each other way to run the model.

    Args:
        path: the ONNX file.
        images: (N, C, H, W) float32; onnx.reference sees the first two.
        module: the pruned torch module, for a leg of its own.
        provider: where the library runs.
    """
    import torch

    opened = session(path, provider=provider)
    library = run(opened, images)
    others = {"body": run(session(path, library=False), images)}
    inlined = ReferenceEvaluator(inline_local_functions(onnx.load(path)))
    others["onnx.reference"] = _in_parts(
        lambda part: inlined.run(None, {str(inlined.input_names[0]): part}), images[:REFERENCE_IMAGES], _batch(opened)
    )
    if module is not None:
        with torch.no_grad():
            others["torch"] = module.eval()(torch.from_numpy(images)).numpy()
    return {leg: relative(library[: len(other)], other) for leg, other in others.items()}


def proof(path: Path, images: Floats, provider: str = "cpu") -> int:
    """Number of PatternConv nodes that ONNX Runtime's profile shows running on `provider`.

    0 on a platform that has no library: there the model runs as dense convolutions, as `cct.session` has said.

    Raises:
        LibraryError: one of them did not run there.
    """
    wanted = sum(n.op_type == NAME and n.domain == DOMAIN for n in onnx.load(path).graph.node)
    if not supported():
        return 0
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(folder, "profile")
        opened = session(path, provider=provider, options=options)
        run(opened, images[:1])
        events = json.loads(Path(opened.end_profiling()).read_text())
    ran = {
        e["args"]["node_index"]
        for e in events
        if e.get("cat") == "Node"
        and e["args"].get("op_name") == NAME
        and e["args"].get("provider") == PROVIDERS[provider]
    }
    if len(ran) != wanted:
        raise LibraryError(f"{path}: {len(ran)} of {wanted} {NAME} nodes ran on {PROVIDERS[provider]}")
    return wanted


def relative(a: Floats, b: Floats) -> float:
    """max|a - b| / max|b|; max|a| where b is all zeros."""
    scale = float(abs(b).max())
    return float(abs(a - b).max()) / scale if scale else float(abs(a).max())
