"""Graph pass: store every pattern-sparse convolution as `cct::PatternConv`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from cct.errors import OperatorError
from cct.operator.layout import find_layout
from cct.operator.packed import Packed, check, pack
from cct.operator.spec import CONSTANTS, DOMAIN, NAME, attributes
from cct.operator.types import Types
from cct.passes.graph.describe_convolutions import (
    constant,
    describe_convolution,
    describe_packed,
    is_dense_convolution,
)
from cct.passes.graph.use_float16 import to_float16
from cct.report.layer import Layer

MAX_STORED = 2 / 3  # of the dense weights; above it the dense convolution is at least as good

_ROUNDING = {"float32": None, "float16": to_float16}  # of W, by its type
_DEFAULTS = {"strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1)}


class PackConvolutions(ir.passes.InPlacePass):
    """Replace each `Conv` whose weight is pattern-sparse, whoever pruned it; the zeros of the weight say all.

    1. The weight is a 4-D constant of one convolution alone, and the bias a constant: look at its zeros.
    2. The stored entries are at most 2/3 of the dense weights: replace the node.
    3. Anything else stays as it is, with the reason in its row.

    Args:
        layers: a row is appended for every convolution, in the order of the graph.
        types: of the PatternConv nodes, for which the packed weights are rounded.

    Raises:
        UnsupportedModel: a weight is beyond float16; names the layer.
    """

    def __init__(self, layers: list[Layer], types: Types) -> None:
        self.layers = layers
        self.types = types

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Pack the main graph of `model`."""
        modified = False
        for node in list(model.graph):
            if not is_dense_convolution(node):
                continue
            layer = describe_convolution(node)
            packed = _pack(node, layer, self.types)
            if packed is not None:
                _replace(model.graph, node, packed, layer)
                modified = True
            self.layers.append(layer)
        return ir.passes.PassResult(model, modified=modified)


def _pack(node: ir.Node, layer: Layer, types: Types) -> Packed | None:
    """The packed weights, or None with the reason in `layer`."""
    weight = constant(node.inputs[1])
    auto_pad = node.attributes.get("auto_pad")
    if node.op_type != "Conv":
        layer.reason = "a transposed convolution"
    elif weight is None:
        layer.reason = "its weight is no constant"
    elif weight.ndim != 4:
        layer.reason = f"a {weight.ndim - 2}-D convolution"
    elif len(node.inputs[1].uses()) > 1:  # type: ignore[union-attr]  # a constant, so not None
        layer.reason = "its weight is shared with another node"
    elif auto_pad is not None and auto_pad.as_string() != "NOTSET":
        layer.reason = f"auto_pad {auto_pad.as_string()}"
    elif len(node.inputs) > 2 and node.inputs[2] is not None and constant(node.inputs[2]) is None:
        layer.reason = "its bias is no constant"
    elif weight.dtype != np.float32:
        layer.reason = f"its weight is {weight.dtype}"
    if layer.reason or weight is None:
        return None
    found = pack_sparse(weight, node.attributes.get_int("group", 1), np.dtype(types.weights).itemsize)
    if isinstance(found, str):
        layer.reason = found
        return None
    round_weight = _ROUNDING[types.weights]
    return replace(found, W=round_weight(found.W, f"the weight of {layer.name}")) if round_weight else found


def pack_sparse(weight: NDArray[np.floating], group: int = 1, weight_bytes: int = 4) -> Packed | str:
    """Pack a weight (O, C/group, kh, kw) that is pattern-sparse; of any other say why not.

    The entries of a pattern are what takes the fewest bytes when a stored weight has `weight_bytes`.
    """
    kept = np.count_nonzero(weight)
    if kept > MAX_STORED * weight.size:
        zeros = 1 - kept / weight.size
        return f"only {zeros:.0%} of its weights are zero" if zeros else "none of its weights is zero"
    try:
        packed = pack(weight, find_layout(weight, group, weight_bytes), group)
    except OperatorError as error:
        return str(error)
    if packed.stored > MAX_STORED * weight.size:
        return f"its zeros form no patterns: stored, {packed.stored / weight.size:.0%} of it would remain"
    check(packed)
    return packed


def _replace(graph: ir.Graph, node: ir.Node, packed: Packed, layer: Layer) -> None:
    """Put a PatternConv in the place of `node` and complete its row."""
    layer.op = NAME
    describe_packed(layer, packed)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    values = [node.inputs[0]]
    for name in CONSTANTS:
        if name == "B" and bias is not None:
            values.append(bias)
            continue
        array = np.zeros(packed.out_channels, np.float32) if name == "B" else getattr(packed, name)
        tensor = ir.tensor(array, name=f"{layer.name}.{name}")
        kind, shape = ir.TensorType(tensor.dtype), ir.Shape(array.shape)
        value = ir.Value(name=tensor.name, type=kind, shape=shape, const_value=tensor)
        graph.register_initializer(value)
        values.append(value)
    geometry = {name: tuple(node.attributes.get_ints(name, default)) for name, default in _DEFAULTS.items()}
    replacement = ir.Node(
        DOMAIN,
        NAME,
        values,
        ir.convenience.convert_attributes(attributes(packed, **geometry)),  # type: ignore[arg-type]  # sizes are fixed
        name=layer.name,
    )
    weight = node.inputs[1]
    ir.convenience.replace_nodes_and_values(graph, node, [node], [replacement], node.outputs, replacement.outputs)
    if weight is not None and weight.name is not None and weight.name in graph.initializers:
        del graph.initializers[weight.name]
