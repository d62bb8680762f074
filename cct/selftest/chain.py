"""Convolutions in a row, all of one shape: as PatternConv, and as dense ones with the same weights."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import helper

from cct.operator import spec
from cct.operator.body import body
from cct.operator.packed import Packed, check, unpack
from cct.operator.types import TYPES

DEPTH = 4
_PADS = (1, 1, 1, 1)
_RELU = "relu"


def chain_models(
    channels: int, side: int, batch: int, types: str, block: tuple[int, int], compression: float
) -> dict[str, bytes]:
    """ONNX models, "dense" and "packed", of 3x3 convolutions with ReLU.

    Args:
        channels: of all images, a multiple of both sides of the block.
        side: pixels, height and width.
        batch: images.
        types: a key of `cct.operator.types.TYPES`.
        block: output x input channels.
        compression: from 9/4 on: 4 of 9 weights stay in a block that stays.
    """
    row, rng = TYPES[types], np.random.default_rng(0)
    packed = _random_packed(rng, channels, block, 9 / 4 / compression, np.dtype(row.weights))
    constants = {name: getattr(packed, name) for name in spec.CONSTANTS if name != "B"}
    constants["B"] = np.zeros(channels, row.bias)
    attributes = spec.attributes(packed, pads=_PADS, clip_min=0)
    name = spec.VARIANTS[_RELU]
    ours, dense = [], []
    initializers: dict[str, list[onnx.TensorProto]] = {"packed": [], "dense": []}
    weight = unpack(packed).astype(row.activations)
    for i in range(DEPTH):
        x, y = f"Y{i}" if i else "X", f"Y{i + 1}"
        inputs = [f"{constant}{i}" for constant in spec.CONSTANTS]
        ours.append(helper.make_node(name, [x, *inputs], [y], domain=spec.DOMAIN, **attributes))
        initializers["packed"] += [_tensor(constants[n], f"{n}{i}") for n in spec.CONSTANTS]
        dense.append(helper.make_node("Conv", [x, f"W{i}", f"B{i}"], [f"S{i}"], pads=_PADS))
        dense.append(helper.make_node("Relu", [f"S{i}"], [y]))
        initializers["dense"] += [_tensor(weight, f"W{i}"), _tensor(constants["B"], f"B{i}")]
    shape = batch, channels, side, side
    element = helper.np_dtype_to_tensor_dtype(np.dtype(row.activations))
    values = [helper.make_tensor_value_info(n, element, shape) for n in ("X", f"Y{DEPTH}")]
    function = ir.serde.serialize_function(body(_RELU))
    models = {}
    for form, nodes, functions in (("dense", dense, []), ("packed", ours, [function])):
        graph = helper.make_graph(nodes, form, values[:1], values[1:], initializers[form])
        opsets = [helper.make_opsetid("", spec.OPSET), helper.make_opsetid(spec.DOMAIN, spec.VERSION)]
        model = helper.make_model(graph, functions=functions, opset_imports=opsets, ir_version=spec.IR_VERSION)
        models[form] = model.SerializeToString()
    return models


def _tensor(array: NDArray[np.generic], name: str) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(array, name)


def _random_packed(
    rng: np.random.Generator, channels: int, block: tuple[int, int], share: float, kind: np.dtype[np.floating]
) -> Packed:
    """A share of the blocks is kept, each with one of eight patterns of 4; values that keep images in their range."""
    blocks = channels // block[0], channels // block[1]
    count = round(share * blocks[0] * blocks[1])
    kept = np.sort(rng.permutation(blocks[0] * blocks[1])[:count])
    pool = np.unique(np.sort([rng.permutation(9)[:4] for _ in range(8)]), axis=0)
    scale = math.sqrt(2 / (4 * share * channels))  # He's, for the weights that are there
    packed = Packed(
        W=(scale * rng.standard_normal((count, block[1] * 4, block[0]))).astype(kind),
        filters=(kept // blocks[1]).astype(np.int32),
        channels=(kept % blocks[1]).astype(np.int32),
        patterns=rng.integers(0, len(pool), count).astype(np.uint8),
        order=np.arange(channels, dtype=np.int32),
        in_order=np.arange(channels, dtype=np.int32),
        pool=pool.astype(np.int64),
        block=block,
        kernel_shape=(3, 3),
        group=1,
        in_channels=channels,
        out_channels=channels,
    )
    check(packed)
    return packed
