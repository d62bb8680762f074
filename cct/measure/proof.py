"""`proof`: did the library run the file's PatternConv nodes? `find_idle_nodes`: and does it matter?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from cct.errors import LibraryError
from cct.measure.parity import relative_error
from cct.measure.profile import profile
from cct.measure.run_session import Floats, run
from cct.messages import printable
from cct.operator.read_model import pattern_convs
from cct.operator.spec import DOMAIN, NAME, NAMES
from cct.runtime.library import supported
from cct.runtime.session import PROVIDERS, session

_LEAST_SAY = 1e-2  # by which the answer moves, as parity counts it, when an operator has quite other weights


def proof(path: Path, images: Floats, provider: str = "cpu") -> int:
    """Number of PatternConv nodes that ONNX Runtime's profile shows running on `provider`.

    0 on a platform that has no library: there the model runs as dense convolutions, as `cct.session` has said.

    Raises:
        LibraryError: one of them did not run there, or no output depends on it.
    """
    model = ir.load(path)
    nodes = pattern_convs(model)
    wanted = len(nodes)
    if unused := wanted - len(_contributing(model).intersection(nodes)):
        raise LibraryError(f"{path}: {unused} of {wanted} {NAME} reach no output: others compute what the file answers")
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
        values.extend(node.inputs)
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                values.extend(attribute.as_graph().outputs)
    return found


def find_idle_nodes(path: Path, images: Floats) -> list[str]:
    """The PatternConv nodes that do not decide what the file answers, by name.

    Each in turn gets other weights, in memory: the answer must move. A file may run its operators, and have others
    compute what it answers.

    Args:
        path: the ONNX file.
        images: a few, (n, C, H, W) float32.

    Raises:
        LibraryError: one of them keeps its weights elsewhere than in initializers.
    """
    idle = []
    proto = onnx.load(path)
    usual = run(session(path), images)
    arrays = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.domain != DOMAIN or node.op_type not in NAMES:
            continue
        if node.input[1] not in arrays or node.input[7] not in arrays:
            raise LibraryError(
                f"{path}: {NAME} {printable(node.name)} keeps its weights elsewhere than in initializers"
            )
        names = {place: f"other.{place}" for place in (1, 7)}  # W, B
        before = list(node.input)
        for place, name in names.items():
            values = onnx.numpy_helper.to_array(arrays[before[place]])
            other = -3 * values if place == 1 else values + 10 * (abs(values).max(initial=0) + 1)
            proto.graph.initializer.append(onnx.numpy_helper.from_array(other.astype(values.dtype), name))
            node.input[place] = name
        with np.errstate(all="ignore"):
            answers = run(session(proto.SerializeToString()), images)
            moved = [relative_error(*pair) for pair in zip(answers, usual, strict=True)]
        node.input[:] = before
        del proto.graph.initializer[-len(names) :]
        if all(error <= _LEAST_SAY for error in moved):  # what is no longer finite has moved
            idle.append(printable(node.name))
    return idle
