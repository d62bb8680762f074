"""`proof`: did the library run the file's PatternConv nodes?"""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from cct.errors import LibraryError
from cct.library import supported
from cct.measure.run_session import Floats, run
from cct.node_times import profile
from cct.onnx_file import pattern_convs
from cct.operator import NAME, NAMES
from cct.runtime import PROVIDERS


def proof(path: Path, images: Floats, provider: str = "cpu") -> int:
    """Number of PatternConv nodes that ONNX Runtime's profile shows running on `provider`.

    0 on a platform that has no library: there the model runs as dense convolutions, as `cct.session` has said.

    Raises:
        LibraryError: one of them did not run there, or no output depends on it.
    """
    model = ir.load(path)
    nodes = pattern_convs(model)
    wanted = len(nodes)
    if idle := wanted - len(_contributing(model).intersection(nodes)):
        raise LibraryError(f"{path}: {idle} of {wanted} {NAME} reach no output: others compute what the file answers")
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


def _contributing(model: ir.Model) -> set[ir.Node]:
    """The nodes that an output of the model depends on, those in branches and loops included."""
    found: set[ir.Node] = set()
    values: list[ir.Value | None] = [*model.graph.outputs]
    while values:
        value = values.pop()
        node = None if value is None else value.producer()
        if node is None or node in found:
            continue
        found.add(node)
        values += node.inputs
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                values += attribute.as_graph().outputs
    return found
