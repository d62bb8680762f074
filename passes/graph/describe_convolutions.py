"""The rows of a graph's convolutions, as reports hold them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from cct.operator.packed import Packed
from cct.report.layer import Layer


def constant(value: ir.Value | None) -> NDArray[np.floating] | None:
    """What a value always holds; None if that depends on the input."""
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def is_dense_convolution(node: ir.Node) -> bool:
    """Whether a node is one of ONNX's own convolutions."""
    return not node.domain and node.op_type in ("Conv", "ConvTranspose")


def describe_convolution(node: ir.Node) -> Layer:
    """The row of a `Conv` or `ConvTranspose` that stays dense, its reason left open."""
    value = node.inputs[1]
    name = value.name if value is not None and value.name else str(node.name)
    weight = constant(value)
    shape = () if weight is None else weight.shape
    # Each weight of a transposed convolution meets every pixel of its input, not of its output.
    met = node.outputs[0] if node.op_type == "Conv" else node.inputs[0]
    image = None if met is None else met.shape
    pixels = [d for d in image[2:] if isinstance(d, int)] if image is not None else []
    return Layer(
        name=name.removesuffix("_float16").removesuffix(".weight"),  # UseFloat16 rounds into a weight of its own
        op=node.op_type,
        shape=tuple(shape),
        weights=0 if weight is None else int(weight.size),
        kept=0 if weight is None else int(np.count_nonzero(weight)),
        macs=0 if weight is None or len(pixels) != len(shape) - 2 else int(weight.size * np.prod(pixels)),
    )


def describe_packed(layer: Layer, packed: Packed) -> None:
    """Complete the row of a convolution that is packed."""
    layer.block, layer.patterns, layer.entries = packed.block, len(packed.pool), packed.entries
    layer.stored, layer.packed_bytes = packed.stored, packed.nbytes
