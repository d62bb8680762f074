"""`cct::QLinearPatternConv`: its names, inputs and attributes (docs/operator-int8.md); versions are those of `spec`."""

from __future__ import annotations

from typing import Any

from cct.operator import spec
from cct.operator.packed import Packed

NAME = "QLinearPatternConv"
VARIANTS = {  # with or without a residual, and a table of the activation
    "none": NAME,
    "add": f"{NAME}Add",
    "table": f"{NAME}Table",
    "add_table": f"{NAME}AddTable",
}
NAMES = frozenset(VARIANTS.values())
ATTRIBUTES = tuple(name for name in spec.ATTRIBUTES if name not in spec.FLOAT)
TABLE_SIZE = 256  # a byte for each byte

_BEFORE = ("X", "x_scale", "x_zero_point", "W", "w_scale", "y_scale", "y_zero_point")
_RESIDUAL = ("Z", "z_scale", "z_zero_point")


def inputs(variant: str) -> tuple[str, ...]:
    """The inputs of one of `VARIANTS`, in order."""
    parts = variant.split("_")
    residual, table = _RESIDUAL if "add" in parts else (), ("table",) if "table" in parts else ()
    return (*_BEFORE, *spec.INDICES, "B", *residual, *table)


def choose_variant(residual: bool, table: bool) -> str:
    """The one of `VARIANTS` that has these."""
    return "_".join((["add"] if residual else []) + (["table"] if table else [])) or "none"


def attributes(
    packed: Packed,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
) -> dict[str, Any]:
    """All attributes of a QLinearPatternConv node, in the order of the specification."""
    return {**spec.convolution_attributes(packed, strides, pads, dilations), "layout": spec.LAYOUT}
