"""Graph pass: take the addition after a PatternConv into it."""

from __future__ import annotations

import onnx_ir as ir

from cct.operator.spec import CONSTANTS, DOMAIN, NAME


class AbsorbResidual(ir.passes.InPlacePass):
    """Give a PatternConv the other operand of the `Add` that follows as its input Z.

    ONNX Runtime can't fuse across a custom operator, so what it would fuse into Conv has to be inside.

    1. The Add alone uses the convolution, which has no residual and no activation yet.
    2. Both operands have the shape of the sum, so that nothing broadcasts.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Absorb every addition that qualifies in the main graph."""
        modified = False
        for add in list(model.graph):
            if add.domain or add.op_type != "Add":
                continue
            for own, other in (add.inputs, reversed(add.inputs)):
                convolution = own.producer() if own is not None else None
                if convolution is not None and own is not other and _fits(convolution, add, own, other):
                    node = ir.Node(
                        DOMAIN,
                        NAME,
                        [*convolution.inputs, other],
                        convolution.attributes.values(),
                        name=convolution.name,
                    )
                    ir.convenience.replace_nodes_and_values(
                        model.graph, add, [add, convolution], [node], add.outputs, node.outputs
                    )
                    modified = True
                    break
        return ir.passes.PassResult(model, modified=modified)


def _fits(convolution: ir.Node, add: ir.Node, own: ir.Value | None, other: ir.Value | None) -> bool:
    if (convolution.domain, convolution.op_type) != (DOMAIN, NAME) or own is None or other is None:
        return False
    plain = len(convolution.inputs) == 1 + len(CONSTANTS) and is_linear(convolution)
    alone = len(own.uses()) == 1 and not own.is_graph_output()
    total = add.outputs[0].shape
    return plain and alone and total is not None and own.shape == total and other.shape == total


def is_linear(convolution: ir.Node) -> bool:
    """Whether a PatternConv has no activation."""
    low, high = (convolution.attributes[name].as_float() for name in ("clip_min", "clip_max"))
    return low == -float("inf") and high == float("inf")
