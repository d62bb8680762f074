"""What mutations draw and where they find it: numbers at the edges of types, a node of a model, its constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

Rng = np.random.Generator
Array = NDArray[Any]

NUMBERS = (
    -(2**63), -(2**31) - 1, -(2**31), -65536, -2, -1, 0, 1, 2, 3, 8, 9, 255, 256, 257, 65535, 65536,
    2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1,
)  # fmt: skip
FLOATS = (float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-45, -1.5, 3e38)
INDICES = ("filters", "channels", "patterns", "order", "in_order")


def pick(rng: Rng, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]


def find_node(rng: Rng, model: onnx.ModelProto) -> onnx.NodeProto:
    packed = [node for node in model.graph.node if node.op_type.startswith("PatternConv")]
    return pick(rng, packed or list(model.graph.node))


def find_constants(node: onnx.NodeProto, model: onnx.ModelProto) -> dict[str, TensorProto]:
    """The initializers of a node by the operator's own names for them."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    names = ("X", "W", *INDICES, "B", "Z")
    return {name: stored[at] for name, at in zip(names, node.input, strict=False) if at in stored}


def store(tensor: TensorProto, array: Array) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), tensor.name))


def draw_number(rng: Rng, array: Array) -> Any:
    """One that the array's type holds: an edge of what it holds, of what is usual, or next to what is there."""
    if array.dtype.kind == "f":
        return pick(rng, FLOATS)
    info = np.iinfo(array.dtype)
    near = int(array.flat[rng.integers(array.size)]) + int(rng.integers(-3, 4)) if array.size else 0
    number = near if rng.random() < 0.5 else pick(rng, (*NUMBERS, info.min, info.max))
    return min(max(number, info.min), info.max)
