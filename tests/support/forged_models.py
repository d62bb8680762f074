"""Ways to make a bad file look good: each takes the packed file of a short run, and gives back another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUTSIDE = "outside.bin"
Forgery = Callable[[onnx.ModelProto], None]


def forged(compressed: Path, folder: Path, *forgeries: Forgery) -> Path:
    """The packed file with something else in it, at `f.onnx`."""
    proto = onnx.load(compressed / "m.onnx")
    for forgery in forgeries:
        before = onnx.ModelProto()
        before.CopyFrom(proto)
        forgery(proto)
        _write_outside(before, proto, folder)
    onnx.save(proto, folder / "f.onnx")
    return folder / "f.onnx"


def answer(text: str, **constants: object) -> Forgery:
    """Nodes that make `output` of `logits`, and perhaps of `input`, written as onnx.parser reads them."""

    def forge(proto: onnx.ModelProto) -> None:
        for node in proto.graph.node:
            node.output[:] = ["logits" if name == "output" else name for name in node.output]
        _append(proto, text, constants)

    return forge


def question(text: str, **constants: object) -> Forgery:
    """Nodes that make `asked` of `input`, which the network gets instead."""

    def forge(proto: onnx.ModelProto) -> None:
        old = list(proto.graph.node)
        for node in old:
            node.input[:] = ["asked" if name == "input" else name for name in node.input]
        del proto.graph.node[:]
        _append(proto, text, constants)
        proto.graph.node.extend(old)

    return forge


def _append(proto: onnx.ModelProto, text: str, constants: dict[str, object]) -> None:
    parsed = onnx.parser.parse_graph(
        f"g (float[n] input, float[n] logits) => (float[n] output, float[n] asked) {{{text}}}"
    )
    proto.graph.node.extend(parsed.node)
    for name, value in constants.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    for value in list(proto.graph.value_info):  # shapes that may no longer hold
        if value.name in ("logits", "output"):
            proto.graph.value_info.remove(value)


def output_shape(*shape: object) -> Forgery:
    """What the file says of its output."""

    def forge(proto: onnx.ModelProto) -> None:
        kind = proto.graph.output[0].type.tensor_type.elem_type
        proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("output", kind, shape))

    return forge


def second_output(text: str, **constants: object) -> Forgery:
    """Another output, `more`, made of `output`."""

    def forge(proto: onnx.ModelProto) -> None:
        graph = onnx.parser.parse_graph(f"g (float[n] output) => (float[n] more) {{{text}}}")
        proto.graph.node.extend(graph.node)
        for name, value in constants.items():
            proto.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        proto.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ("n", 10)))

    return forge


def metadata(**changes: str | None) -> Forgery:
    """`cct.*` properties; None takes one out."""

    def forge(proto: onnx.ModelProto) -> None:
        kept = {p.key: p.value for p in proto.metadata_props}
        kept |= {f"cct.{name}": value for name, value in changes.items() if value is not None}
        for name, value in changes.items():
            if value is None:
                kept.pop(f"cct.{name}", None)
        helper.set_model_props(proto, kept)

    return forge


def weights(change: Callable[[np.ndarray], np.ndarray], ending: str) -> Forgery:
    """Another value of the first initializer whose name ends so."""

    def forge(proto: onnx.ModelProto) -> None:
        tensor = next(t for t in proto.graph.initializer if t.name.endswith(ending))
        tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), tensor.name))

    return forge


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """The first number of an array becomes another one."""

    def change(array: np.ndarray) -> np.ndarray:
        array.reshape(-1)[0] = value
        return array

    return change


def bodies(text: str) -> Forgery:
    """Each function body ends in more nodes, which make `Y` of `true_Y`: the library does not look at bodies."""

    def forge(proto: onnx.ModelProto) -> None:
        parsed = onnx.parser.parse_graph(f"g (float[n] true_Y) => (float[n] Y) {{{text}}}")
        for function in proto.functions:
            name = function.output[0]
            for node in function.node:
                node.output[:] = ["true_Y" if output == name else output for output in node.output]
            for node in parsed.node:
                copied = function.node.add()
                copied.CopyFrom(node)
                copied.output[:] = [name if output == "Y" else output for output in copied.output]

    return forge


def inlined(proto: onnx.ModelProto) -> None:
    """No PatternConv is left, only what it means."""
    proto.CopyFrom(onnx.inliner.inline_local_functions(proto))


def dead_packed(proto: onnx.ModelProto) -> None:
    """The dense network answers; the packed operators are there and nobody reads what they compute."""
    dense = onnx.inliner.inline_local_functions(proto)
    names = {name for node in dense.graph.node for name in node.output}
    for node in dense.graph.node:
        node.output[:] = [f"dense_{name}" if name in names and name != "output" else name for name in node.output]
        node.input[:] = [f"dense_{name}" if name in names else name for name in node.input]
    for node in proto.graph.node:
        node.output[:] = ["unread" if name == "output" else name for name in node.output]
        node.name = f"dead_{node.name}"
    proto.graph.node.extend(dense.graph.node)


def unheard_packed(proto: onnx.ModelProto) -> None:
    """The dense network answers; what the packed one computes is added, times next to nothing."""
    dead_packed(proto)
    for node in proto.graph.node:
        node.output[:] = ["dense_answer" if name == "output" else name for name in node.output]
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(1e-7), "next_to_nothing"))
    proto.graph.node.append(helper.make_node("Mul", ["unread", "next_to_nothing"], ["whisper"]))
    proto.graph.node.append(helper.make_node("Add", ["dense_answer", "whisper"], ["output"]))


def branching(proto: onnx.ModelProto) -> None:
    """All of it in both branches of an If."""
    nodes = list(proto.graph.node)
    for node in nodes:
        node.output[:] = ["logits" if name == "output" else name for name in node.output]
    shape = helper.make_tensor_value_info("output", TensorProto.FLOAT, ("n", 10))
    branches = [
        helper.make_graph([helper.make_node(op, ["logits"], [name])], name, [], [_named(shape, name)])
        for op, name in (("Identity", "then"), ("Neg", "else"))
    ]
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
    given = {"then_branch": branches[0], "else_branch": branches[1]}
    proto.graph.node.append(helper.make_node("If", ["always"], ["output"], **given))


def _named(value: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    copied = onnx.ValueInfoProto()
    copied.CopyFrom(value)
    copied.name = name
    return copied


def outside_constants(proto: onnx.ModelProto) -> None:
    """Weights in `OUTSIDE`, which `forged` writes, named by a Constant node."""
    tensor = max(proto.graph.initializer, key=lambda t: len(t.raw_data))
    outside = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value=OUTSIDE)
    proto.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=outside))
    proto.graph.initializer.remove(tensor)


def _write_outside(before: onnx.ModelProto, proto: onnx.ModelProto, folder: Path) -> None:
    """What `outside_constants` took out."""
    names = {t.name for t in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Constant" and node.output[0] not in names and node.attribute[0].t.external_data:
            tensor = next(t for t in before.graph.initializer if t.name == node.output[0])
            (folder / OUTSIDE).write_bytes(tensor.raw_data)
