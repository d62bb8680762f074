"""`validate`: is this ONNX file what it should be? Accuracy, parity, proof that the library ran, size and speed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import onnx_ir as ir

from cct.atomic_files import temporary_folder
from cct.errors import CctError
from cct.gate.goals import Goal, failures
from cct.measure.judgeable import check_judgeable
from cct.measure.measure_model import measure_model
from cct.measure.model_input import ModelInput, difference, load_for_both
from cct.measure.proof import find_idle_nodes
from cct.messages import printable, some
from cct.model_source import ModelSource
from cct.operator.read_model import model_bytes, pattern_convs, read_model
from cct.operator.spec import NAME
from cct.operator.types import ACTIVATIONS, WEIGHTS, Types, rows_among
from cct.regular_file import file_digest
from cct.report.figures import finite_failure
from cct.report.verdict import Verdict
from cct.runtime.session import session
from cct.workflows.baseline_model import BaselineModel, same_model

if TYPE_CHECKING:
    from cct.data.split import Data


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
        data: as `cct.data.load_data.load_data` takes it.
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
    from cct.checkpoint.load_model import load_model

    relative = next((goal for goal in goals if goal.relative), None)
    if baseline is None and relative is not None:
        raise CctError(f"goal {relative} needs --baseline: the model to compare with")
    digest = file_digest(path)
    seed = int.from_bytes(digest[:6], "little")  # which images are looked at: no file can be made for them
    graph = read_model(path)
    check_judgeable(path, graph)
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
        percent, dense = None, None
        if baseline is None:
            images = own.load(data, scale or {})
        else:
            other = BaselineModel.read(baseline)
            images, others = load_for_both(own, other.input, data, scale or {})
            notes += [*difference(own, images, other.input, others), *other.notes()]
            percent = other.accuracy(others)
            dense = other.onnx(others, folder), others
            sizes["dense"] = model_bytes(dense[0], read_model(dense[0]))
        measured = measure_model(
            path,
            opened,
            images,
            seed,
            sizes=sizes,
            baseline=percent,
            dense=dense,
            module=load_model(pruned).module if pruned is not None else None,
            provider=provider,
            parity_images=parity_images,
            timed=dense is not None or any(goal.metric == "latency" for goal in goals),
        )
        idle = find_idle_nodes(path, measured.timed_images)
    figures = measured.figures
    if measured.error_while_timed is not None:
        figures.parity["while timed"] = measured.error_while_timed
    if file_digest(path) != digest:
        raise CctError(f"{path} changed while it was judged: leave it alone, and run it again")
    asked = [f"parity against {pruned.path}"] if pruned is not None else []
    asked += [f"at least {require_packed} {NAME}"] if require_packed else []
    failed = [
        *finite_failure(figures.not_finite, measured.images),
        *_chance_failure(figures.accuracy["compressed"], images),
        *_parity_failures(figures.parity, graph, provider, any(goal.metric == "parity" for goal in goals)),
        *_packed_failures(stated, len(nodes), figures.proven, require_packed),
        *([f"packed: {some(idle, 3)}: no say in what the file answers"] if idle else []),
        *failures(goals, figures.measures()),
    ]
    return Verdict(
        **vars(figures), images=measured.images, goals=[*map(str, goals), *asked], failed=failed, notes=notes
    )


def _parity_failures(errors: Mapping[str, float], graph: ir.Model, provider: str, has_goal: bool) -> list[str]:
    """The legs that are further off than rounding explains; a goal of its own decides about torch."""
    rows = _types(graph)
    limits = {leg: max(row.error_limit(leg, provider) for row in rows) for leg in errors}
    return [
        f"parity: {error:.2g} against {leg}, where {limits[leg]:g} is allowed"
        for leg, error in errors.items()
        if not error <= limits[leg] and not (leg == "torch" and has_goal)
    ]


def _types(graph: ir.Model) -> list[Types]:
    """The rows of what the file computes in, somewhere, and stores; float32 is everywhere, if only as an input."""
    nodes = list(graph.graph.all_nodes())
    computed: set[int | None] = {value.dtype for node in nodes for value in node.outputs}
    computed |= {node.attributes.get_int("to", 0) for node in nodes if node.op_type == "Cast"}
    stored: set[int | None] = {value.dtype for value in graph.graph.initializers.values()}

    def names(known: Sequence[str], dtypes: Set[int | None]) -> list[str]:
        return ["float32", *(name for name in known if ir.DataType.from_numpy(np.dtype(name)) in dtypes)]

    return rows_among(names(WEIGHTS, stored), names(ACTIVATIONS, computed))


def _chance_failure(percent: float, images: Data) -> list[str]:
    """The line of a file that is no better than an answer that is always the same."""
    from cct.training.preflight import least_accuracy

    least = least_accuracy(images)
    return [f"accuracy: {percent:.2f} %, near chance, {least:.2f} % is the least"] if percent < least else []


def _packed_failures(stated: Mapping[str, str], nodes: int, proven: int, required: int) -> list[str]:
    """What lacks of the operators that the file's metadata or `--require-packed` names."""
    lines = []
    promised = stated.get("cct.packed", "0")
    if not re.fullmatch("[0-9]{1,9}", promised) or nodes < int(promised):
        lines.append(f"packed: the file has {nodes} {NAME}, its metadata promises {printable(promised)!r}")
    if proven < required:
        lines.append(f"packed: {proven} {NAME} ran, {required} are required")
    return lines
