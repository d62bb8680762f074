"""Where the time of a run goes, from ONNX Runtime's profile."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir
import onnxruntime as ort

from cct.atomic_files import temporary_folder
from cct.errors import CctError
from cct.measure.ratio import undisturbed
from cct.operator.read_model import is_pattern_conv
from cct.operator.spec import NAME, NAMES
from cct.passes.graph.describe_convolutions import describe_convolution, is_dense_convolution
from cct.report.node_time import NodeTime, Shapes
from cct.runtime.session import session

_EVENT = "_kernel_time"
_REORDERED = "_nchwc"  # how ONNX Runtime names a convolution that it moved to its own layout: after its output


def profile(
    model: Path | bytes,
    use: Callable[[Any], object],
    *,
    provider: str = "cpu",
    provider_options: Mapping[str, object] | None = None,
    threads: int | None = None,
) -> list[dict[str, Any]]:
    """The events of all nodes while `use` runs a session of the model, in order.

    Args:
        model: the ONNX file, or its bytes.
        use: is given the session.
        provider: "cpu" or "cuda".
        provider_options: as `cct.session` takes them.
        threads: within an operator; None for as many as there are cores.
    """
    with temporary_folder() as folder:
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.log_severity_level = 4  # its errors come as exceptions; it would print names from the file
        options.profile_file_prefix = str(folder / "profile")
        opened = session(model, provider=provider, provider_options=provider_options, threads=threads, options=options)
        use(opened)
        try:
            events = json.loads(Path(opened.end_profiling()).read_text())
        except (OSError, ValueError) as error:  # ONNX Runtime says nothing of a full disk
            raise CctError(
                f"ONNX Runtime's profile can't be written to {folder}: make room there, or set TMPDIR to another folder"
            ) from error
    return [e for e in events if e.get("cat") == "Node" and e["name"].endswith(_EVENT)]


def node_times(
    path: Path, model: ir.Model, use: Callable[[Any], object], provider: str, threads: int
) -> list[NodeTime]:
    """Every node's time, in the order in which they first ran.

    Args:
        path: the ONNX file.
        model: what is in it.
        use: runs a session several times; each node's first run is left out.
        provider: "cpu" or "cuda".
        threads: within an operator.
    """
    events: dict[str, list[dict[str, Any]]] = {}
    for event in profile(path, use, provider=provider, threads=threads):
        events.setdefault(event["args"]["node_index"], []).append(event)
    layers = _layers(model, {runs[0]["name"].removesuffix(_EVENT) for runs in events.values()})
    times = []
    for first, *runs in events.values():
        name = first["name"].removesuffix(_EVENT)
        taken = undisturbed([event["dur"] for event in runs or [first]]) / 1e3
        op = NAME if first["args"]["op_name"] in NAMES else first["args"]["op_name"]
        shapes = (_shapes(first["args"].get(f"{side}_type_shape", ())) for side in ("input", "output"))
        times.append(NodeTime(layers.get(name, name), op, first["args"]["provider"], taken, *shapes))
    return times


def _shapes(values: Sequence[dict[str, list[int]]]) -> Shapes:
    """Of values as the profile tells them: [{"float": [1, 64, 56, 56]}, ...]."""
    return tuple(tuple(shape) for value in values for shape in value.values())


def _layers(model: ir.Model, names: set[str]) -> dict[str, str]:
    """Which layer each profiled convolution is.

    ONNX Runtime fuses what follows into a convolution and then names it after the last output: follow the outputs to
    the first that the profile knows.
    """
    found: dict[str, str] = {}
    for node in model.graph:
        ours = is_pattern_conv(node)
        if not ours and not is_dense_convolution(node):
            continue
        layer = str(node.name) if ours else describe_convolution(node).name
        value = node.outputs[0]
        known = [str(node.name), f"{value.name}{_REORDERED}"]
        while len(value.uses()) == 1 and not names & set(known):
            value = next(iter(value.uses())).node.outputs[0]
            known = [f"{value.name}{_REORDERED}"]
        found |= dict.fromkeys(names & set(known), layer)
    return found
