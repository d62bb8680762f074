"""Graph pass: write out model-local functions, with everything computed that depends on constants alone."""

from __future__ import annotations

import sys

import onnx_ir as ir
from onnx_ir.passes.common import IdentityEliminationPass, InlinePass, RemoveUnusedNodesPass
from onnxscript.optimizer import fold_constants


class InlineFunctions(ir.passes.InPlacePass):
    """Replace each PatternConv that has its function by a dense Conv and what follows it, in plain ONNX."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Inline every function of `model`, fold what is constant whatever its size, and drop what is not used then."""
        if not model.functions:
            return ir.passes.PassResult(model, modified=False)
        InlinePass()(model)
        fold_constants(
            model,
            onnx_shape_inference=False,
            input_size_limit=sys.maxsize,
            output_size_limit=sys.maxsize,
            # It would leave the zeros that weights are scattered into.
            should_fold=lambda node: True if node.op_type == "ConstantOfShape" else None,
        )
        ir.passes.Sequential(IdentityEliminationPass(), RemoveUnusedNodesPass())(model)
        return ir.passes.PassResult(model, modified=True)
