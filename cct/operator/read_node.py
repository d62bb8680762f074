"""A PatternConv node of a model that is not trusted, checked against the specification (docs/operator.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from cct.errors import OperatorError
from cct.operator.packed import Packed, check
from cct.operator.read_packed import read_attributes, read_packed
from cct.operator.spec import ATTRIBUTES, CONSTANTS, NAME, VARIANTS, activation
from cct.operator.types import types_of_node


def read_pattern_conv(node: ir.Node) -> tuple[Packed, NDArray[np.floating]]:
    """Packed weights and bias of a PatternConv node in a model, checked against the specification.

    Raises:
        OperatorError: an input or attribute is missing, has the wrong type, or breaks a rule; names the node.
    """
    try:
        values = read_attributes(node, ATTRIBUTES)
        _check_form(node.op_type, values["clip_min"], values["clip_max"], node.inputs)
        packed, others = read_packed(values, dict(zip(CONSTANTS, node.inputs[1:], strict=False)))
        bias = others["B"]
        _check_types(packed.W, bias, [value for value in (node.inputs[0], *node.inputs[8:]) if value is not None])
        check(packed)
        if bias.shape != (packed.out_channels,):
            raise OperatorError(f"B {bias.shape}: must be ({packed.out_channels},)")
    except OperatorError as error:
        raise OperatorError(f"{NAME} {node.name!r}: {error}") from error
    return packed, bias


def _check_form(name: str, clip_min: float, clip_max: float, inputs: Sequence[ir.Value | None]) -> None:
    """The name says what follows the convolution, for the body; the attributes and inputs must say the same."""
    if not clip_min <= clip_max:
        raise OperatorError(f"clip_min {clip_min} must be at most clip_max {clip_max}")
    act, _, add = next(variant for variant, own in VARIANTS.items() if own == name).partition("_")
    if act not in ("clip", activation(clip_min, clip_max)):
        raise OperatorError(f"clip_min {clip_min} and clip_max {clip_max} are not what {name} does")
    wanted = 1 + len(CONSTANTS) + bool(add)
    if len(inputs) != wanted or None in inputs:
        raise OperatorError(f"{len(inputs) - list(inputs).count(None)} inputs; {name} has {wanted}")


def _check_types(weight: NDArray[Any], bias: NDArray[Any], images: list[ir.Value]) -> None:
    """B and W are of a row of `TYPES`, and X and Z too."""
    types = types_of_node(str(bias.dtype), str(weight.dtype))
    for value in images:
        if value.dtype is not None and value.dtype != ir.DataType.from_numpy(np.dtype(types.activations)):
            raise OperatorError(f"{value.name} is {value.dtype.name} and B {bias.dtype}; must be one type")
