"""`validate`: is this ONNX file what it should be? Accuracy, parity, proof that the library ran, size and speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import onnx_ir as ir

from cct.baseline_model import BaselineModel, same_model
from cct.errors import CctError
from cct.figures import finite_failure, measures
from cct.goals import Goal, failures
from cct.measure.accuracy import accuracy
from cct.measure.images import batches_at, parity_count, spread_images
from cct.measure.parity import MAX_ERROR, parity
from cct.measure.proof import proof
from cct.measure.speed import measure_speed
from cct.model_input import ModelInput, difference, load_for_both
from cct.onnx_file import model_bytes, pattern_convs, read_model
from cct.operator import NAME
from cct.output import temporary_folder
from cct.runtime import PROVIDERS, session
from cct.source import ModelSource
from cct.verdict import Verdict


def validate(
    path: Path,
    *,
    data: str,
    baseline: ModelSource | None = None,
    pruned: ModelSource | None = None,
    goals: Sequence[Goal] = (),
    scale: Mapping[str, Any] | None = None,
    provider: str = "cpu",
    parity_images: int | Literal["all"] | None = None,
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
        parity_images: on how many validation images parity is measured, spread over all classes; None for 64, or one of
            each class where there are more.
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
    if baseline is not None and (same := same_model(baseline, path, pruned)):
        if relative is not None:
            raise CctError(f"goal {relative}: --baseline {baseline.path} is {same}: give the unpruned model")
        notes.append(f"the baseline is {same}: nothing is compared")
    own = ModelInput.of_session(path, opened)
    sizes = {"packed": model_bytes(path, graph)}
    with temporary_folder() as folder:
        dense, percent = None, dict[str, float]()
        if baseline is None:
            images = own.load(data, scale or {})
        else:
            other = BaselineModel.read(baseline)
            images, others = load_for_both(own, other.input, data, scale or {})
            notes += [*difference(own, images, other.input, others), *other.notes()]
            percent["baseline"] = other.accuracy(others)
            dense = other.onnx(others, folder)
            sizes["dense"] = model_bytes(dense, read_model(dense))
        labels = images.val.labels.numpy()
        chosen = spread_images(labels, parity_count(labels, parity_images))
        found = accuracy(opened, images, chosen)
        percent = {"compressed": found.percent} | percent
        module = load_model(pruned).module if pruned is not None else None
        errors = parity(path, batches_at(images, chosen), module, provider=provider, seen=found.answers)
        proven = proof(path, next(batches_at(images, chosen[:1])), provider)
        timed = dense is not None or any(goal.metric == "latency" for goal in goals)
        speed = measure_speed(dense, path, provider) if timed else []
    asked = [f"parity against {pruned.path}"] if pruned is not None else []
    asked += [f"at least {require_packed} {NAME}"] if require_packed else []
    failed = [
        *finite_failure(found.not_finite, found.images),
        *_parity_failures(errors, graph, provider, any(goal.metric == "parity" for goal in goals)),
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
        goals=[*map(str, goals), *asked],
        failed=failed,
        notes=notes,
    )


def _parity_failures(errors: Mapping[str, float], graph: ir.Model, provider: str, has_goal: bool) -> list[str]:
    """The legs that are further off than rounding explains; a goal of its own decides about torch."""
    half = _computes_in_float16(graph)
    limit = MAX_ERROR["float16" if half else "tf32" if provider == "cuda" else "float32"]
    stored = {value.dtype for value in graph.graph.initializers.values()}  # float16 weights differ from torch's
    rounded = MAX_ERROR["float16"] if ir.DataType.FLOAT16 in stored else limit
    return [
        f"parity: {error:.2g} against {leg}, where {allowed:g} is allowed"
        for leg, error in errors.items()
        if not error <= (allowed := rounded if leg == "torch" else limit) and not (leg == "torch" and has_goal)
    ]


def _computes_in_float16(graph: ir.Model) -> bool:
    """Whether any value between the nodes is float16."""
    casts = [node.attributes.get_int("to", 0) for node in graph.graph.all_nodes() if node.op_type == "Cast"]
    return ir.DataType.FLOAT16 in casts or any(
        value.dtype == ir.DataType.FLOAT16 for node in graph.graph.all_nodes() for value in node.outputs
    )


def _packed_failures(stated: Mapping[str, str], nodes: int, proven: int, required: int) -> list[str]:
    """What lacks of the operators that the file's metadata or `--require-packed` names."""
    lines = []
    promised = stated.get("cct.packed", "0")
    if not (promised.isascii() and promised.isdigit()) or nodes < int(promised):
        lines.append(f"packed: the file has {nodes} {NAME}, its metadata promises {promised!r}")
    if proven < required:
        lines.append(f"packed: {proven} {NAME} ran, {required} are required")
    return lines
