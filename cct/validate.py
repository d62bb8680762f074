"""`validate`: is this ONNX file what it should be? Accuracy, parity, proof that the library ran, size and speed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from cct.errors import CctError, DataError
from cct.figures import finite_failure, measures
from cct.goals import PARITY_IMAGES, Goal, failures
from cct.measure.accuracy import accuracy
from cct.measure.images import batches_at, spread_images
from cct.measure.parity import MAX_ERROR, parity
from cct.measure.proof import proof
from cct.measure.speed import measure_speed
from cct.model_input import ModelInput, difference, load_for_both
from cct.onnx_file import model_bytes, pattern_convs, read_model
from cct.operator import NAME
from cct.output import temporary_folder
from cct.runtime import PROVIDERS, session
from cct.source import ModelSource, is_onnx
from cct.verdict import Verdict

if TYPE_CHECKING:
    from cct.checkpoint import LoadedModel
    from cct.data import Data


def validate(
    path: Path,
    *,
    data: str,
    baseline: ModelSource | None = None,
    pruned: ModelSource | None = None,
    goals: Sequence[Goal] = (),
    scale: Mapping[str, Any] | None = None,
    provider: str = "cpu",
    parity_images: int | None = PARITY_IMAGES,
    require_packed: int = 0,
) -> Verdict:
    """Judge an ONNX file.

    What fails without a goal: an answer that is not finite; an answer of the library that differs from that of another
    way to run the file, or from the pruned weights', by more than rounding explains; fewer packed operators than the
    file's own metadata promises.

    Args:
        path: the file.
        data: as `cct.data.load_data` takes it.
        baseline: the unpruned model, an ONNX file or anything that `load_model` reads, to compare with.
        pruned: the pruned weights, for a parity leg in torch; a parity goal's limit is then its limit.
        goals: what the file must reach.
        scale: mean, std and size as `load_data` takes them, where the files' own are not to be used.
        provider: "cpu" or "cuda".
        parity_images: on how many validation images parity is measured, spread over all classes; None for all.
        require_packed: PatternConv nodes that must run on the provider, at least.

    Raises:
        CctError: there can be no verdict, and why.
    """
    from cct.checkpoint import load_model

    relative = next((goal for goal in goals if goal.relative), None)
    if baseline is None and relative is not None:
        raise CctError(f"goal {relative} needs --baseline: the model to compare with")
    graph = read_model(path)
    nodes = pattern_convs(graph)
    opened = session(path, provider=provider)
    stated = opened.get_modelmeta().custom_metadata_map
    if not nodes and not any(name.startswith("cct.") for name in stated):
        raise CctError(f"{path} has no {NAME} and was not made by cct: give the file that compress or export wrote")
    notes = [] if nodes else [f"the file has no {NAME}: it runs as dense convolutions, nothing of cct's library"]
    if baseline is not None and _digest(baseline.path) == _digest(path):
        if relative is not None:
            raise CctError(f"goal {relative}: --baseline {baseline.path} is the model itself: give the unpruned one")
        notes.append("the baseline is the model itself: nothing is compared")
    own = ModelInput.of_session(path, opened)
    sizes = {"packed": model_bytes(path, graph)}
    with temporary_folder() as folder:
        dense, percent = None, dict[str, float]()
        if baseline is None:
            images = own.load(data, scale or {})
        else:
            other = _Baseline.read(baseline)
            images, others = load_for_both(own, other.input, data, scale or {})
            notes += difference(own, images, other.input, others)
            percent["baseline"] = other.accuracy(others)
            dense = other.onnx(others, folder)
            sizes["dense"] = model_bytes(dense, read_model(dense))
        found = accuracy(opened, images)
        percent = {"compressed": found.percent} | percent
        module = load_model(pruned).module if pruned is not None else None
        chosen = spread_images(images.val.labels.numpy(), parity_images)
        errors = parity(path, batches_at(images, chosen), module, provider=provider)
        proven = proof(path, next(batches_at(images, chosen[:1])), provider)
        timed = dense is not None or any(goal.metric == "latency" for goal in goals)
        speed = measure_speed(dense, path, provider) if timed else []
    failed = [
        *finite_failure(found.not_finite, found.images),
        *_parity_failures(errors, nodes, provider, any(goal.metric == "parity" for goal in goals)),
        *_packed_failures(stated, len(nodes), proven, require_packed),
        *failures(goals, measures(percent, errors, sizes, speed)),
    ]
    return Verdict(
        accuracy=percent,
        images=found.images,
        not_finite=found.not_finite,
        parity=errors,
        parity_images=len(chosen),
        provider=PROVIDERS[provider],
        proven=proven,
        bytes=sizes,
        speed=speed,
        goals=[str(goal) for goal in goals],
        failed=failed,
        notes=notes,
    )


@dataclass(frozen=True)
class _Baseline:
    """The model to compare with: an ONNX file, opened, or else a checkpoint, loaded."""

    path: Path
    input: ModelInput
    session: Any = None
    loaded: LoadedModel | None = None

    @classmethod
    def read(cls, source: ModelSource) -> _Baseline:
        from cct.checkpoint import load_model

        if is_onnx(source.path):
            read_model(source.path)
            opened = session(source.path)
            return cls(source.path, ModelInput.of_session(source.path, opened), session=opened)
        loaded = load_model(source)
        return cls(source.path, ModelInput.of_checkpoint(source.path, loaded), loaded=loaded)

    def accuracy(self, images: Data) -> float:
        """Percent of the validation images.

        Raises:
            DataError: it answers NaN or infinity, or is no better than chance.
        """
        from cct.baseline import baseline_accuracy, check_chance, check_finite

        if self.loaded is not None:
            return baseline_accuracy(self.loaded.module, images, self.loaded.classes)
        found = accuracy(self.session, images)
        check_finite(found.not_finite, images)
        check_chance(found.percent, images)
        return found.percent

    def onnx(self, images: Data, folder: Path) -> Path:
        """The file to time: itself, or a dense export."""
        from cct.exporter import export

        if self.loaded is None:
            return self.path
        path = folder / "dense.onnx"
        export(self.loaded.module, images.example(), path, pack=False)
        return path


def _parity_failures(errors: Mapping[str, float], nodes: Sequence[ir.Node], provider: str, has_goal: bool) -> list[str]:
    """The legs that are further off than rounding explains; a goal of its own decides about torch."""
    types = {i.dtype for node in nodes for i in (node.inputs[1], node.inputs[7]) if i is not None}
    half = any(node.inputs[7].dtype == ir.DataType.FLOAT16 for node in nodes if node.inputs[7] is not None)
    limit = MAX_ERROR["float16" if half else "tf32" if provider == "cuda" else "float32"]
    rounded = MAX_ERROR["float16"] if ir.DataType.FLOAT16 in types else limit
    return [
        f"parity: {error:.2g} against {leg}, where {allowed:g} is allowed"
        for leg, error in errors.items()
        if not error <= (allowed := rounded if leg == "torch" else limit) and not (leg == "torch" and has_goal)
    ]


def _packed_failures(stated: Mapping[str, str], nodes: int, proven: int, required: int) -> list[str]:
    """What lacks of the operators that the file's metadata or `--require-packed` names."""
    lines = []
    promised = stated.get("cct.packed", "0")
    if not (promised.isascii() and promised.isdigit()) or nodes < int(promised):
        lines.append(f"packed: the file has {nodes} {NAME}, its metadata promises {promised!r}")
    if proven < required:
        lines.append(f"packed: {proven} {NAME} ran, {required} are required")
    return lines


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from error
