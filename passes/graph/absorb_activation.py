"""Graph pass: take the ReLU or clip after a PatternConv into it."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from cct.operator.spec import DOMAIN, NAME
from cct.passes.graph.absorb_residual import is_linear


class AbsorbActivation(ir.passes.InPlacePass):
    """Set `clip_min` and `clip_max` of a PatternConv from the `Relu` or constant `Clip` that alone uses it."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Absorb every activation that qualifies in the main graph."""
        modified = False
        for node in list(model.graph):
            bounds = _bounds(node)
            value = node.inputs[0] if node.inputs else None
            convolution = value.producer() if value is not None else None
            if bounds is None or value is None or convolution is None:
                continue
            if (convolution.domain, convolution.op_type) != (DOMAIN, NAME) or not is_linear(convolution):
                continue
            if len(value.uses()) > 1 or value.is_graph_output():
                continue
            for name, bound in zip(("clip_min", "clip_max"), bounds, strict=True):
                convolution.attributes[name] = ir.AttrFloat32(name, bound)
            ir.convenience.replace_nodes_and_values(model.graph, node, [node], [], node.outputs, convolution.outputs)
            modified = True
        return ir.passes.PassResult(model, modified=modified)


def _bounds(node: ir.Node) -> tuple[float, float] | None:
    """Lower and upper bound of an activation, None for any other node or bounds that are no constants."""
    if node.domain or node.op_type not in ("Relu", "Clip"):
        return None
    if node.op_type == "Relu":
        return 0.0, math.inf
    bounds = [-math.inf, math.inf]
    for i, value in enumerate(node.inputs[1:]):
        if value is not None:
            tensor = ir.convenience.get_const_tensor(value)
            if tensor is None:
                return None
            bounds[i] = float(np.asarray(tensor.numpy()).item())
    return (bounds[0], bounds[1]) if bounds[0] <= bounds[1] else None
