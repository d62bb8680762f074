"""Mutations of the arrays of a packed model."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from tests.native.forged.draws import INDICES, NUMBERS, Rng, draw_number, find_constants, find_node, pick, store

ROWS = ("W", "filters", "channels", "patterns")


def change_indices(rng: Rng, model: onnx.ModelProto) -> None:
    """Numbers of an index array: out of range, out of order, twice."""
    found = find_constants(find_node(rng, model), model)
    tensor = found[pick(rng, [name for name in INDICES if name in found])]
    array = numpy_helper.to_array(tensor).copy()
    at, other = rng.integers(array.size, size=2)
    how = rng.integers(8)
    if how < 3:
        array.flat[at] = draw_number(rng, array)
    elif how == 3:
        array.flat[[at, other]] = array.flat[[other, at]]
    elif how == 4:
        array.flat[at] = array.flat[other]
    elif how == 5:
        array[:] = draw_number(rng, array)
    elif how == 6:
        rng.shuffle(array)
    else:
        array = array[::-1]
    store(tensor, array)


def change_rows(rng: Rng, model: onnx.ModelProto) -> None:
    """Kernels dropped, repeated or reordered, in all four arrays or all but one."""
    found = find_constants(find_node(rng, model), model)
    count = len(numpy_helper.to_array(found["filters"]))
    rows = pick(rng, [np.arange(0), rng.permutation(count), np.sort(rng.integers(0, count, rng.integers(2 * count)))])
    left_out = pick(rng, [None, None, *ROWS])
    for name in ROWS:
        if name != left_out:
            store(found[name], numpy_helper.to_array(found[name])[rows])


def change_values(rng: Rng, model: onnx.ModelProto) -> None:
    """Odd weights and biases, and weights on padding."""
    found = find_constants(find_node(rng, model), model)
    tensor = found[pick(rng, ["W", "B"])]
    array = numpy_helper.to_array(tensor).copy()
    if rng.random() < 0.3:
        array[:] = draw_number(rng, array)
    else:
        array.flat[rng.integers(array.size)] = draw_number(rng, array)
    store(tensor, array)


def change_shape(rng: Rng, model: onnx.ModelProto) -> None:
    """An array of another shape, whole."""
    tensor = pick(rng, list(find_constants(find_node(rng, model), model).values()))
    array = numpy_helper.to_array(tensor)
    store(tensor, pick(rng, [
        array[1:], array[:-1], array[:0], array[..., :0], array.T, array.reshape(-1), array[None], array[..., None],
        np.resize(array, ()), np.resize(array, (array.size + 1,)), np.concatenate([array, array]), array[::2],
        np.resize(array, (*array.shape[:-1], array.shape[-1] + 1)), np.resize(array, (1,) * 9), np.resize(array, 10**5),
    ]))  # fmt: skip


def change_dims(rng: Rng, model: onnx.ModelProto) -> None:
    """A shape that does not fit the bytes that are there."""
    tensor = pick(rng, list(model.graph.initializer))
    how = rng.integers(4)
    if how == 0:
        del tensor.dims[:]
    elif how == 1:
        tensor.dims.append(pick(rng, NUMBERS))
    else:
        tensor.dims[rng.integers(len(tensor.dims))] = pick(rng, NUMBERS)


def change_data(rng: Rng, model: onnx.ModelProto) -> None:
    """Too few bytes, too many, in another field, or in another file."""
    tensor = pick(rng, list(model.graph.initializer))
    raw, how = tensor.raw_data, rng.integers(5)
    if how == 0:
        tensor.raw_data = raw[: rng.integers(len(raw))]
    elif how == 1:
        tensor.raw_data = raw + rng.bytes(int(rng.integers(1, 5000)))
    elif how == 2:
        tensor.ClearField("raw_data")
        pick(rng, [tensor.int32_data, tensor.int64_data]).extend(rng.integers(-9, 300, rng.integers(200)).tolist())
    elif how == 3:
        tensor.ClearField("raw_data")
        tensor.float_data.extend([1.5] * int(rng.integers(200)))
    else:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", pick(rng, ["../x", "/etc/passwd", "", "."])), ("length", "100")):
            tensor.external_data.add(key=key, value=value)


def change_dtype(rng: Rng, model: onnx.ModelProto) -> None:
    """Another type, with the numbers converted or with the bytes as they are."""
    tensor = pick(rng, list(find_constants(find_node(rng, model), model).values()))
    if rng.random() < 0.5:
        tensor.data_type = int(rng.integers(0, 30))
        return
    array = numpy_helper.to_array(tensor)
    wanted = pick(rng, ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"])
    with np.errstate(all="ignore"):
        store(tensor, array.astype(wanted))
