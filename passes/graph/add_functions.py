"""Graph pass: give every PatternConv its meaning as a model-local function."""

from __future__ import annotations

import onnx_ir as ir

from cct.operator.body import body
from cct.operator.spec import CONSTANTS, DOMAIN, NAME, VARIANTS, VERSION, activation


class AddFunctions(ir.passes.InPlacePass):
    """Name each PatternConv by its activation and residual, and add the functions of the names in use."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Add the functions that the main graph of `model` needs."""
        nodes = [n for n in model.graph if (n.domain, n.op_type) == (DOMAIN, NAME)]
        variants = set()
        for node in nodes:
            act = activation(node.attributes["clip_min"].as_float(), node.attributes["clip_max"].as_float())
            variant = act + ("_add" if len(node.inputs) > 1 + len(CONSTANTS) else "")
            node.op_type = VARIANTS[variant]
            variants.add(variant)
        for variant in sorted(variants):
            function = body(variant)
            model.functions[function.identifier()] = function
        if nodes:
            model.opset_imports[DOMAIN] = VERSION
        return ir.passes.PassResult(model, modified=bool(nodes))
