"""A QLinearPatternConv node of a model that is not trusted, checked against docs/operator-int8.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from cct.errors import OperatorError
from cct.operator.packed import Packed
from cct.operator.qlinear_spec import ATTRIBUTES, NAME, VARIANTS, inputs
from cct.operator.quantization import Quantization, check_quantization
from cct.operator.read_packed import read_attributes, read_packed


def read_qlinear_pattern_conv(node: ir.Node) -> tuple[Packed, NDArray[np.int32], Quantization]:
    """Packed weights, bias and quantization of a QLinearPatternConv node, checked against the specification.

    Raises:
        OperatorError: an input or attribute is missing, has the wrong type, or breaks a rule; names the node.
    """
    try:
        values = read_attributes(node, ATTRIBUTES)
        names = inputs(next(variant for variant, own in VARIANTS.items() if own == node.op_type))
        if len(node.inputs) != len(names) or None in node.inputs:
            given = len(node.inputs) - list(node.inputs).count(None)
            raise OperatorError(f"{given} inputs; {node.op_type} has {len(names)}")
        values_of = dict(zip(names, node.inputs, strict=True))
        for name in ("X", "Z"):
            image = values_of.pop(name, None)
            if image is not None and image.dtype not in (None, ir.DataType.UINT8):
                raise OperatorError(f"{name} is {image.dtype.name}; must be UINT8")
        packed, others = read_packed(values, values_of)
        bias: NDArray[Any] = others.pop("B")
        quantization = Quantization(**others)
        check_quantization(packed, bias, quantization)
    except OperatorError as error:
        raise OperatorError(f"{NAME} {node.name!r}: {error}") from error
    return packed, bias, quantization
