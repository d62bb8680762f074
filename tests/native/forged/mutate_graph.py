"""Mutations of the nodes of a packed model, and of what it says of itself."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

from cct.operator.spec import NAMES
from tests.native.forged.draws import FLOATS, NUMBERS, Rng, find_node, pick

TEXTS = ("", "NHWC", "NCHW\0", "nchw", "\u00fc" * 1000)


def change_attribute(rng: Rng, model: onnx.ModelProto) -> None:
    """An attribute of another value, length or type, missing, or there twice."""
    node = find_node(rng, model)
    attribute = pick(rng, list(node.attribute))
    how = rng.integers(11)
    if how == 0:
        node.attribute.remove(attribute)
    elif how == 10:  # a part of nothing: only a function has attributes to refer to
        attribute.CopyFrom(AttributeProto(name=attribute.name, type=attribute.type, ref_attr_name=attribute.name))
    elif how == 1:
        node.attribute.append(attribute)
    elif how == 2:
        other = pick(rng, [1, [1, 1], 1.0, [1.0, 1.0], "text", ["text"], np.zeros(3, np.float32)])
        other = numpy_helper.from_array(other) if isinstance(other, np.ndarray) else other
        attribute.CopyFrom(helper.make_attribute(attribute.name, other))
    elif how == 3:
        attribute.name = pick(rng, ["", "x", *(a.name for a in node.attribute)])
    elif attribute.type == AttributeProto.INT:
        attribute.i = pick(rng, [*NUMBERS, attribute.i + 1, attribute.i - 1, 2 * attribute.i])
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = pick(rng, FLOATS)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = pick(rng, [text.encode() for text in TEXTS] + [b"\xff\xfe"])
    elif how < 8:
        attribute.ints[rng.integers(len(attribute.ints))] = pick(rng, NUMBERS)
    else:
        ints = list(attribute.ints)
        del attribute.ints[:]
        attribute.ints.extend(pick(rng, [ints[1:], ints[::-1], ints + ints, [], [*ints, 0], ints * 300, ints[:1]]))


def change_geometry(rng: Rng, model: onnx.ModelProto) -> None:
    """Another window, often one that is allowed: what runs then is what nobody tried."""
    node = find_node(rng, model)
    sizes = (1, 1, 2, 3, 5, 17, 200, 65535) if rng.random() < 0.5 else (1, 2, 3, 4, 5)
    for attribute in node.attribute:
        if attribute.name in ("strides", "dilations", "pads") and rng.random() < 0.7:
            low = -1 if attribute.name == "pads" else 0  # pads from 0
            for i in range(len(attribute.ints)):
                attribute.ints[i] = pick(rng, sizes) + (low if rng.random() < 0.8 and attribute.name == "pads" else 0)


def change_inputs(rng: Rng, model: onnx.ModelProto) -> None:
    """Inputs of the node missing, too many, exchanged, without a name, or not constant."""
    node = find_node(rng, model)
    at, other = rng.integers(len(node.input), size=2)
    how = rng.integers(7)
    if how == 0:
        del node.input[at]
    elif how == 1:
        del node.input[at:]
    elif how == 2:
        node.input[at] = pick(rng, ["", "nowhere", node.input[0], node.output[0]])
    elif how == 3:
        node.input[at], node.input[other] = node.input[other], node.input[at]
    elif how == 4:
        node.input.extend([pick(rng, ["", node.input[at]])] * int(rng.integers(1, 12)))
    else:
        _feed(rng, model, node.input[at])


def _feed(rng: Rng, model: onnx.ModelProto, name: str) -> None:
    """Make an initializer an input of the model, with or without a default."""
    tensor = next(t for t in model.graph.initializer if t.name == name)
    model.graph.input.append(helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)))
    if rng.random() < 0.5:
        model.graph.initializer.remove(tensor)


def change_outputs(rng: Rng, model: onnx.ModelProto) -> None:
    node = find_node(rng, model)
    how = rng.integers(3)
    if how == 0:
        del node.output[:]
    elif how == 1:
        node.output.append(pick(rng, ["", "more"]))
    else:
        node.output[0] = pick(rng, ["", "other", node.input[0]])


def move_node(rng: Rng, model: onnx.ModelProto) -> None:
    """The node within both branches of an If, or within a function of somebody else's."""
    node = onnx.NodeProto()
    node.CopyFrom(find_node(rng, model))
    if rng.random() < 0.5:
        branch = helper.make_graph([node], "branch", [], [helper.make_empty_tensor_value_info(node.output[0])])
        inner = helper.make_node("If", ["condition"], [node.output[0]], then_branch=branch, else_branch=branch)
        model.graph.initializer.append(numpy_helper.from_array(np.array(bool(rng.integers(2))), "condition"))
    else:
        inner = helper.make_node("Wrapped", node.input, node.output, domain="other")
        model.functions.append(
            helper.make_function("other", "Wrapped", node.input, node.output, [node], list(model.opset_import))
        )
        model.opset_import.append(helper.make_opsetid("other", 1))
    find_node(rng, model).CopyFrom(inner)


def change_stated_shape(rng: Rng, model: onnx.ModelProto) -> None:
    """What the model says of its inputs and outputs."""
    info = pick(rng, [*model.graph.input, *model.graph.output])
    kind = info.type.tensor_type
    how = rng.integers(5)
    if how == 0:
        info.ClearField("type")
    elif how == 1:
        kind.elem_type = int(rng.integers(0, 30))
    elif how == 2:
        kind.ClearField("shape")
    elif how == 3:
        pick(rng, kind.shape.dim).dim_value = pick(rng, NUMBERS)
    else:
        pick(rng, [lambda: kind.shape.dim.add(dim_param="n"), lambda: kind.shape.dim.pop()])()


def change_model(rng: Rng, model: onnx.ModelProto) -> None:
    """Versions, names, functions, and nodes that are there twice."""
    node = find_node(rng, model)
    how = rng.integers(9)
    if how == 0:
        model.ir_version = pick(rng, NUMBERS)
    elif how == 1:
        pick(rng, model.opset_import).version = pick(rng, NUMBERS)
    elif how == 2:
        pick(rng, model.opset_import).domain = pick(rng, ["", "cct", "x", "com.microsoft"])
    elif how == 3:
        node.overload = pick(rng, ["", "none", "relu_add", "nowhere"])
    elif how == 4:
        node.op_type = pick(rng, ["", "Conv", *sorted(NAMES), "PatternConv2"])
    elif how == 5:
        node.domain = pick(rng, ["", "com.microsoft", "x"])
    elif how == 6:
        del model.functions[:]
    elif how == 7:
        model.graph.node.append(node)
    else:
        body = pick(rng, model.functions)
        pick(rng, [lambda: body.node.pop(), lambda: body.input.pop(), lambda: body.attribute.pop()])()
