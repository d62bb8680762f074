"""Is this ONNX file what it should be? Accuracy, parity of every way to run it, and proof that the library ran."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator

from cct.errors import CctError, LibraryError
from cct.library import supported
from cct.operator import DOMAIN, NAME, read
from cct.runtime import PROVIDERS, session
from cct.source import ModelSource

if TYPE_CHECKING:
    import torch

    from cct.data import Data

PARITY_IMAGES = 16
REFERENCE_IMAGES = 2  # onnx.reference takes seconds an image

Floats = NDArray[np.floating]


@dataclass
class Verdict:
    """What `cct validate` found.

    Attributes:
        accuracy: percent on the validation images: "compressed" (the ONNX file), and "baseline" if one was given.
        parity: leg -> max|a - b| / max|b| of the library against it.
        proven: PatternConv nodes seen running on `provider` in ONNX Runtime's profile.
        failed: gates that failed, a line each.
    """

    accuracy: dict[str, float]
    parity: dict[str, float]
    provider: str
    proven: int
    failed: list[str]
    gated: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values; "passed" is null when no gate was given."""
        return {"cct_verdict": 1, **asdict(self), "passed": not self.failed if self.gated else None}

    def to_text(self) -> str:
        """For a terminal."""
        lines = [f"accuracy     {name} {percent:.2f} %" for name, percent in self.accuracy.items()]
        lines += [f"parity       library against {leg}: {error:.1e}" for leg, error in self.parity.items()]
        lines += [f"proof        {self.proven} PatternConv ran on {self.provider}"]
        verdict = [f"FAILED       {failure}" for failure in self.failed] or [
            "passed" if self.gated else "no gate given"
        ]
        return "\n".join(lines + verdict)


def validate(
    path: Path,
    *,
    data: str,
    baseline: ModelSource | None = None,
    pruned: ModelSource | None = None,
    max_drop: float | None = None,
    max_error: float | None = None,
    provider: str = "cpu",
) -> Verdict:
    """Judge an ONNX file.

    Args:
        path: the file.
        data: as `cct.data.load_data` takes it; the file's own mean, std and size are used.
        baseline: the unpruned model, for the accuracy to compare with.
        pruned: the pruned weights, for a parity leg in torch.
        max_drop: gate, points of accuracy against `baseline`.
        max_error: gate, max|a - b| / max|b|.
        provider: "cpu" or "cuda".

    Raises:
        CctError: there can be no verdict, and why.
    """
    from cct.baseline import baseline_accuracy
    from cct.checkpoint import load_model
    from cct.data import load_data

    check_file(path)
    opened = session(path, provider=provider)
    images = load_data(data, **_normalization(path, opened))
    percent = {"compressed": accuracy(opened, images)}
    if baseline is not None:
        dense = load_model(baseline)
        percent["baseline"] = baseline_accuracy(dense.module, images, dense.classes)
    few = next(iter(images.batches("val", PARITY_IMAGES)))[0].numpy()
    errors = parity(path, few, load_model(pruned).module if pruned is not None else None, provider)
    drop = percent["baseline"] - percent["compressed"] if baseline is not None else None
    return Verdict(
        accuracy=percent,
        parity=errors,
        provider=PROVIDERS[provider],
        proven=proof(path, few, provider),
        failed=failures(drop, list(errors.values()), max_drop, max_error),
        gated=max_drop is not None or max_error is not None,
    )


def _normalization(path: Path, opened: Any) -> dict[str, Any]:
    """Mean, std and size that the file was made for, as `load_data` takes them."""
    stated = opened.get_modelmeta().custom_metadata_map
    found: dict[str, Any] = {}
    for name in ("mean", "std"):
        if f"cct.{name}" in stated:
            try:
                found[name] = [float(v) for v in stated[f"cct.{name}"].split()]
            except ValueError as error:
                raise CctError(f"{path}: cct.{name} is {stated[f'cct.{name}']!r}, not numbers") from error
    height, width = opened.get_inputs()[0].shape[-2:]
    if isinstance(height, int) and isinstance(width, int):
        found["size"] = (height, width)
    return found


def check_file(path: Path) -> int:
    """Read the file, check every PatternConv in it; returns how many there are.

    Raises:
        CctError: the file is no ONNX model, or refers to data outside itself.
        OperatorError: a PatternConv breaks its specification.
    """
    try:
        proto = onnx.load(path, load_external_data=False)
        outside = any(t.data_location == onnx.TensorProto.EXTERNAL for t in proto.graph.initializer)
        if not outside:
            onnx.checker.check_model(proto)
    except Exception as error:  # protobuf and the checker raise many kinds
        raise CctError(f"{path}: no valid ONNX model ({' '.join(str(error).split())[:200]})") from error
    if outside:
        raise CctError(f"{path}: keeps weights in other files: save it as one file")
    nodes = [n for n in ir.from_proto(proto).graph if (n.domain, n.op_type) == (DOMAIN, NAME)]
    for node in nodes:
        read(node)
    return len(nodes)


def accuracy(opened: Any, data: Data, batch_size: int = 128) -> float:
    """Percent of the validation images that a session classifies right."""
    right = total = 0
    for images, labels in data.batches("val", batch_size):
        logits = run(opened, images.numpy())
        if logits.shape != (len(images), len(data.classes)):
            raise CctError(f"the model answers {logits.shape[1:]}; {data.name} has {len(data.classes)} classes")
        right += int((logits.argmax(1) == labels.numpy()).sum())
        total += len(labels)
    return 100 * right / total


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
    return {leg: _relative(library[: len(other)], other) for leg, other in others.items()}


def proof(path: Path, images: Floats, provider: str = "cpu") -> int:
    """Number of PatternConv nodes that ONNX Runtime's profile shows running on `provider`.

    0 on a platform that has no library: there the model runs as dense convolutions, as `cct.session` has said.

    Raises:
        LibraryError: one of them did not run there.
    """
    wanted = check_file(path)
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


def failures(drop: float | None, errors: Sequence[float], max_drop: float | None, max_error: float | None) -> list[str]:
    """The gates that failed, one line each. A drop that is not a number fails."""
    failed = []
    if max_drop is not None and drop is not None and not drop <= max_drop:
        failed.append(f"accuracy dropped by {drop:.2f} points; at most {max_drop:g} allowed (--max-drop)")
    worse = [error for error in errors if max_error is not None and not error <= max_error]
    if worse:
        failed.append(f"outputs differ by {worse[0]:.1e}; at most {max_error:g} allowed (--max-error)")
    return failed


def _relative(a: Floats, b: Floats) -> float:
    scale = float(abs(b).max())
    return float(abs(a - b).max()) / scale if scale else float(abs(a).max())
