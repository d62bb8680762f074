"""Forged models: valid packed ones in which something was changed at random. A seed makes the same one again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from native.seam import Arguments
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from cct.operator.spec import NAMES
from tests.support.cases import CLIPS, TYPES, Case, draw_packed, draw_values

Rng = np.random.Generator
Array = NDArray[Any]

NUMBERS = (
    -(2**63), -(2**31) - 1, -(2**31), -65536, -2, -1, 0, 1, 2, 3, 8, 9, 255, 256, 257, 65535, 65536,
    2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1,
)  # fmt: skip
FLOATS = (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-45, -1.5, 3e38)
TEXTS = ("", "NHWC", "NCHW\0", "nchw", "\u00fc" * 1000)
INDICES = ("filters", "channels", "patterns", "order", "in_order")
ROWS = ("W", "filters", "channels", "patterns")
WINDOW = (1, 1, 2, 3, 7, 255, 65534, 65535)
KERNELS = ((3, 3), (3, 3), (1, 1), (5, 5), (2, 3), (1, 7))


def base(number: int) -> Case:
    """One of any number of valid models to begin with."""
    rng = np.random.default_rng(number)
    kernel = KERNELS[rng.integers(len(KERNELS))]
    group = int(rng.integers(1, 4))
    packed = draw_packed(
        rng,
        out_channels=group * int(rng.integers(1, 13)),
        in_channels=group * int(rng.integers(1, 7)),
        group=group,
        kernel=kernel,
        entries=int(rng.integers(1, kernel[0] * kernel[1] + 1)),
        patterns=int(rng.integers(1, 13)),
        block=(int(rng.choice([1, 2, 4, 4, 8])), int(rng.choice([1, 1, 2, 3]))),
        keep=float(rng.choice([0.3, 0.7, 1.0])),
    )
    geometry = {
        "strides": tuple(rng.integers(1, 4, 2).tolist()),
        "pads": tuple(rng.integers(0, 4, 4).tolist()),
        "dilations": tuple(rng.integers(1, 3, 2).tolist()),
    }
    shape = (int(rng.integers(1, 3)), packed.in_channels, *rng.integers(13, 24, 2).tolist())
    act = list(CLIPS)[rng.integers(len(CLIPS))]
    case = draw_values(rng, packed, shape, geometry, act, residual=bool(rng.integers(2)))
    return case.cast(list(TYPES)[number % len(TYPES)])


def forge(seed: int, models: list[bytes]) -> bytes:
    """One forged file, made of one of the models."""
    rng = np.random.default_rng(seed)
    model = onnx.load_from_string(models[rng.integers(len(models))])
    for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 3])):
        try:
            MUTATIONS[rng.integers(len(MUTATIONS))](rng, model)
        except Exception:
            continue  # what was changed before leaves nothing to change here
    content = model.SerializeToString()
    return _bytes(rng, content) if rng.random() < 0.15 else content


def forge_arguments(rng: Rng, case: Case) -> Arguments:
    """What the C functions are told of a case, with another window and sometimes a number that is not allowed."""
    stated = Arguments.of(case.packed, case.bias, **case.geometry, **case.clip)
    for name in ("strides", "pads", "dilations", "kernel_shape"):
        if rng.random() < 0.4:
            setattr(stated, name, [_pick(rng, WINDOW) for _ in getattr(stated, name)])
    if rng.random() < 0.1:
        setattr(stated, _pick(rng, ["group", "in_channels", "out_channels", "entries"]), _pick(rng, NUMBERS))
    return stated


def odd_shape(rng: Rng, channels: int) -> tuple[int, ...]:
    """Of an X that need not exist: small, or as large as numbers get."""
    sizes = [_pick(rng, NUMBERS) if rng.random() < 0.3 else int(rng.integers(40)) for _ in range(4)]
    height, width = (65536 if size == 2**31 - 1 else size for size in sizes[2:])  # that many take seconds
    return (sizes[0], channels if rng.random() < 0.9 else sizes[1], height, width)


def odd_feeds(rng: Rng, feeds: dict[str, Array]) -> dict[str, Array]:
    """The same inputs with one of another shape or type."""
    name = list(feeds)[rng.integers(len(feeds))]
    array = feeds[name]
    changed = [
        array[:0],
        array[:, :0],
        array[..., :0],
        array[..., :1, :1],
        array[0],
        array[None],
        array.astype(np.float64),
        array.astype(np.float16),
        np.concatenate([array, array], axis=1),
        np.full_like(array, FLOATS[rng.integers(len(FLOATS))]),
        np.resize(array, (*array.shape[:2], 1, 5000)),
        np.resize(array, (*array.shape[:2], 3000, 1)),
        np.resize(array, (9, *array.shape[1:])),
        np.zeros(1, np.float32),
        np.zeros((), np.float32),
    ]
    return {**feeds, name: changed[rng.integers(len(changed))]}


# ---------------------------------------------------------------- parts of a model


def _pick(rng: Rng, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


def _node(rng: Rng, model: onnx.ModelProto) -> onnx.NodeProto:
    packed = [node for node in model.graph.node if node.op_type.startswith("PatternConv")]
    return _pick(rng, packed or list(model.graph.node))


def _constants(node: onnx.NodeProto, model: onnx.ModelProto) -> dict[str, TensorProto]:
    """The initializers of a node by the operator's own names for them."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    names = ("X", "W", *INDICES, "B", "Z")
    return {name: stored[at] for name, at in zip(names, node.input, strict=False) if at in stored}


def _store(tensor: TensorProto, array: Array) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), tensor.name))


def _number(rng: Rng, array: Array) -> Any:
    """One that the array's type holds: an edge of what it holds, of what is usual, or next to what is there."""
    if array.dtype.kind == "f":
        return _pick(rng, FLOATS)
    info = np.iinfo(array.dtype)
    near = int(array.flat[rng.integers(array.size)]) + int(rng.integers(-3, 4)) if array.size else 0
    number = near if rng.random() < 0.5 else _pick(rng, (*NUMBERS, info.min, info.max))
    return min(max(number, info.min), info.max)


# ---------------------------------------------------------------- mutations


def _indices(rng: Rng, model: onnx.ModelProto) -> None:
    """Numbers of an index array: out of range, out of order, twice."""
    found = _constants(_node(rng, model), model)
    tensor = found[_pick(rng, [name for name in INDICES if name in found])]
    array = numpy_helper.to_array(tensor).copy()
    at, other = rng.integers(array.size, size=2)
    how = rng.integers(8)
    if how < 3:
        array.flat[at] = _number(rng, array)
    elif how == 3:
        array.flat[[at, other]] = array.flat[[other, at]]
    elif how == 4:
        array.flat[at] = array.flat[other]
    elif how == 5:
        array[:] = _number(rng, array)
    elif how == 6:
        rng.shuffle(array)
    else:
        array = array[::-1]
    _store(tensor, array)


def _rows(rng: Rng, model: onnx.ModelProto) -> None:
    """Kernels dropped, repeated or reordered, in all four arrays or all but one."""
    found = _constants(_node(rng, model), model)
    count = len(numpy_helper.to_array(found["filters"]))
    rows = _pick(rng, [np.arange(0), rng.permutation(count), np.sort(rng.integers(0, count, rng.integers(2 * count)))])
    left_out = _pick(rng, [None, None, *ROWS])
    for name in ROWS:
        if name != left_out:
            _store(found[name], numpy_helper.to_array(found[name])[rows])


def _values(rng: Rng, model: onnx.ModelProto) -> None:
    """Odd weights and biases, and weights on padding."""
    found = _constants(_node(rng, model), model)
    tensor = found[_pick(rng, ["W", "B"])]
    array = numpy_helper.to_array(tensor).copy()
    if rng.random() < 0.3:
        array[:] = _number(rng, array)
    else:
        array.flat[rng.integers(array.size)] = _number(rng, array)
    _store(tensor, array)


def _shape(rng: Rng, model: onnx.ModelProto) -> None:
    """An array of another shape, whole."""
    tensor = _pick(rng, list(_constants(_node(rng, model), model).values()))
    array = numpy_helper.to_array(tensor)
    _store(tensor, _pick(rng, [
        array[1:], array[:-1], array[:0], array[..., :0], array.T, array.reshape(-1), array[None], array[..., None],
        np.resize(array, ()), np.resize(array, (array.size + 1,)), np.concatenate([array, array]), array[::2],
        np.resize(array, (*array.shape[:-1], array.shape[-1] + 1)), np.resize(array, (1,) * 9), np.resize(array, 10**5),
    ]))  # fmt: skip


def _dims(rng: Rng, model: onnx.ModelProto) -> None:
    """A shape that does not fit the bytes that are there."""
    tensor = _pick(rng, list(model.graph.initializer))
    how = rng.integers(4)
    if how == 0:
        del tensor.dims[:]
    elif how == 1:
        tensor.dims.append(_pick(rng, NUMBERS))
    else:
        tensor.dims[rng.integers(len(tensor.dims))] = _pick(rng, NUMBERS)


def _data(rng: Rng, model: onnx.ModelProto) -> None:
    """Too few bytes, too many, in another field, or in another file."""
    tensor = _pick(rng, list(model.graph.initializer))
    raw, how = tensor.raw_data, rng.integers(5)
    if how == 0:
        tensor.raw_data = raw[: rng.integers(len(raw))]
    elif how == 1:
        tensor.raw_data = raw + rng.bytes(int(rng.integers(1, 5000)))
    elif how == 2:
        tensor.ClearField("raw_data")
        _pick(rng, [tensor.int32_data, tensor.int64_data]).extend(rng.integers(-9, 300, rng.integers(200)).tolist())
    elif how == 3:
        tensor.ClearField("raw_data")
        tensor.float_data.extend([1.5] * int(rng.integers(200)))
    else:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", _pick(rng, ["../x", "/etc/passwd", "", "."])), ("length", "100")):
            tensor.external_data.add(key=key, value=value)


def _dtype(rng: Rng, model: onnx.ModelProto) -> None:
    """Another type, with the numbers converted or with the bytes as they are."""
    tensor = _pick(rng, list(_constants(_node(rng, model), model).values()))
    if rng.random() < 0.5:
        tensor.data_type = int(rng.integers(0, 30))
        return
    array = numpy_helper.to_array(tensor)
    wanted = _pick(rng, ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
    with np.errstate(all="ignore"):
        _store(tensor, array.astype(wanted))


def _attribute(rng: Rng, model: onnx.ModelProto) -> None:
    """An attribute of another value, length or type, missing, or there twice."""
    node = _node(rng, model)
    attribute = _pick(rng, list(node.attribute))
    how = rng.integers(11)
    if how == 0:
        node.attribute.remove(attribute)
    elif how == 10:  # a part of nothing: only a function has attributes to refer to
        attribute.CopyFrom(AttributeProto(name=attribute.name, type=attribute.type, ref_attr_name=attribute.name))
    elif how == 1:
        node.attribute.append(attribute)
    elif how == 2:
        other = _pick(rng, [1, [1, 1], 1.0, [1.0, 1.0], "text", ["text"], np.zeros(3, np.float32)])
        other = numpy_helper.from_array(other) if isinstance(other, np.ndarray) else other
        attribute.CopyFrom(helper.make_attribute(attribute.name, other))
    elif how == 3:
        attribute.name = _pick(rng, ["", "x", *(a.name for a in node.attribute)])
    elif attribute.type == AttributeProto.INT:
        attribute.i = _pick(rng, [*NUMBERS, attribute.i + 1, attribute.i - 1, 2 * attribute.i])
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = _pick(rng, FLOATS)
    elif attribute.type == AttributeProto.STRING:
        attribute.s = _pick(rng, [text.encode() for text in TEXTS] + [b"\xff\xfe"])
    elif how < 8:
        attribute.ints[rng.integers(len(attribute.ints))] = _pick(rng, NUMBERS)
    else:
        ints = list(attribute.ints)
        del attribute.ints[:]
        attribute.ints.extend(_pick(rng, [ints[1:], ints[::-1], ints + ints, [], [*ints, 0], ints * 300, ints[:1]]))


def _geometry(rng: Rng, model: onnx.ModelProto) -> None:
    """Another window, often one that is allowed: what runs then is what nobody tried."""
    node = _node(rng, model)
    sizes = (1, 1, 2, 3, 5, 17, 200, 65535) if rng.random() < 0.5 else (1, 2, 3, 4, 5)
    for attribute in node.attribute:
        if attribute.name in ("strides", "dilations", "pads") and rng.random() < 0.7:
            low = -1 if attribute.name == "pads" else 0  # pads from 0
            for i in range(len(attribute.ints)):
                attribute.ints[i] = _pick(rng, sizes) + (low if rng.random() < 0.8 and attribute.name == "pads" else 0)


def _inputs(rng: Rng, model: onnx.ModelProto) -> None:
    """Inputs of the node missing, too many, exchanged, without a name, or not constant."""
    node = _node(rng, model)
    at, other = rng.integers(len(node.input), size=2)
    how = rng.integers(7)
    if how == 0:
        del node.input[at]
    elif how == 1:
        del node.input[at:]
    elif how == 2:
        node.input[at] = _pick(rng, ["", "nowhere", node.input[0], node.output[0]])
    elif how == 3:
        node.input[at], node.input[other] = node.input[other], node.input[at]
    elif how == 4:
        node.input.extend([_pick(rng, ["", node.input[at]])] * int(rng.integers(1, 12)))
    else:
        _feed(rng, model, node.input[at])


def _feed(rng: Rng, model: onnx.ModelProto, name: str) -> None:
    """Make an initializer an input of the model, with or without a default."""
    tensor = next(t for t in model.graph.initializer if t.name == name)
    model.graph.input.append(helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)))
    if rng.random() < 0.5:
        model.graph.initializer.remove(tensor)


def _outputs(rng: Rng, model: onnx.ModelProto) -> None:
    node = _node(rng, model)
    how = rng.integers(3)
    if how == 0:
        del node.output[:]
    elif how == 1:
        node.output.append(_pick(rng, ["", "more"]))
    else:
        node.output[0] = _pick(rng, ["", "other", node.input[0]])


def _place(rng: Rng, model: onnx.ModelProto) -> None:
    """The node within both branches of an If, or within a function of somebody else's."""
    node = onnx.NodeProto()
    node.CopyFrom(_node(rng, model))
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
    _node(rng, model).CopyFrom(inner)


def _stated_shape(rng: Rng, model: onnx.ModelProto) -> None:
    """What the model says of its inputs and outputs."""
    info = _pick(rng, [*model.graph.input, *model.graph.output])
    kind = info.type.tensor_type
    how = rng.integers(5)
    if how == 0:
        info.ClearField("type")
    elif how == 1:
        kind.elem_type = int(rng.integers(0, 30))
    elif how == 2:
        kind.ClearField("shape")
    elif how == 3:
        _pick(rng, kind.shape.dim).dim_value = _pick(rng, NUMBERS)
    else:
        _pick(rng, [lambda: kind.shape.dim.add(dim_param="n"), lambda: kind.shape.dim.pop()])()


def _model(rng: Rng, model: onnx.ModelProto) -> None:
    """Versions, names, functions, and nodes that are there twice."""
    node = _node(rng, model)
    how = rng.integers(9)
    if how == 0:
        model.ir_version = _pick(rng, NUMBERS)
    elif how == 1:
        _pick(rng, model.opset_import).version = _pick(rng, NUMBERS)
    elif how == 2:
        _pick(rng, model.opset_import).domain = _pick(rng, ["", "cct", "x", "com.microsoft"])
    elif how == 3:
        node.overload = _pick(rng, ["", "none", "relu_add", "nowhere"])
    elif how == 4:
        node.op_type = _pick(rng, ["", "Conv", *sorted(NAMES), "PatternConv2"])
    elif how == 5:
        node.domain = _pick(rng, ["", "com.microsoft", "x"])
    elif how == 6:
        del model.functions[:]
    elif how == 7:
        model.graph.node.append(node)
    else:
        body = _pick(rng, model.functions)
        _pick(rng, [lambda: body.node.pop(), lambda: body.input.pop(), lambda: body.attribute.pop()])()


MUTATIONS: tuple[Callable[[Rng, onnx.ModelProto], None], ...] = (
    _indices, _indices, _rows, _values, _shape, _shape, _dims, _data, _dtype, _attribute, _attribute, _attribute,
    _geometry, _geometry, _inputs, _outputs, _stated_shape, _place, _model,
)  # fmt: skip


def _bytes(rng: Rng, content: bytes) -> bytes:
    """The file as bytes: flipped, cut out, doubled, cut off."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        if not data:
            break
        at, length = int(rng.integers(len(data))), int(rng.integers(1, 40))
        how = rng.integers(6)
        if how < 2:
            data[at] ^= 1 << int(rng.integers(8))
        elif how == 2:
            data[at] = int(rng.choice([0, 1, 127, 128, 255]))
        elif how == 3:
            del data[at : at + length]
        elif how == 4:
            data[at:at] = data[at : at + length] if rng.random() < 0.5 else rng.bytes(length)
        elif rng.random() < 0.2:
            del data[at:]
    return bytes(data)
