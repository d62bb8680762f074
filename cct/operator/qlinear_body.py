"""`qlinear_body`: what a QLinearPatternConv means, as an ONNX function of one name (docs/operator-int8.md)."""

from __future__ import annotations

import onnx_ir as ir

from cct.operator.qlinear_spec import ATTRIBUTES, VARIANTS, inputs
from cct.operator.unpack_body import GEOMETRY, parse_body

# Weights of int8, for which ONNX Runtime has its fastest routines.
_CONV = f"""
  dense = Cast <to: int = 3> (dense_32)
  w_zero_point = ConstantOfShape <value: tensor = int8[1] {{0}}> (O_1d)
  y = QLinearConv <{GEOMETRY}>
      (X, x_scale, x_zero_point, dense, w_scale, w_zero_point, y_scale, y_zero_point, B)
"""

# QLinearConv would round before the residual. Weights of uint8: onnxruntime 1.18 has no ConvInteger of int8.
_CONV_ADD = f"""
  shift = Constant <value_float: float = 128.0> ()
  shifted_32 = Add (dense_32, shift)
  shifted = Cast <to: int = 2> (shifted_32)
  w_zero_point = Cast <to: int = 2> (shift)
  products = ConvInteger <{GEOMETRY}> (X, shifted, x_zero_point, w_zero_point)
  B_3d = Unsqueeze (B, axes_12)
  acc = Add (products, B_3d)
  acc_32 = Cast <to: int = 1> (acc)
  xw_scale = Mul (x_scale, w_scale)
  M_1d = Div (xw_scale, y_scale)
  M = Unsqueeze (M_1d, axes_12)
  v_conv = Mul (acc_32, M)

  z_places = Cast <to: int = 6> (Z)
  z_zero = Cast <to: int = 6> (z_zero_point)
  z = Sub (z_places, z_zero)
  z_32 = Cast <to: int = 1> (z)
  S = Div (z_scale, y_scale)
  v_z = Mul (z_32, S)
  v = Add (v_conv, v_z)
  unit = Constant <value_float: float = 1.0> ()
  y = QuantizeLinear (v, unit, y_zero_point)
"""

# The tables of all channels in a row, or the one for all: it has one offset, 0.
_TABLE = """
  table_1d = Reshape (table, any)
  table_end = Size (table)
  table_size = Constant <value_int: int = 256> ()
  offset_1d = Range (zero, table_end, table_size)
  offset_64 = Unsqueeze (offset_1d, axes_12)
  offset = Cast <to: int = 6> (offset_64)
  y_32 = Cast <to: int = 6> (y)
  y_at = Add (y_32, offset)
  Y = Gather (table_1d, y_at)
"""


def qlinear_body(variant: str) -> ir.Function:
    """The function of one of `qlinear_spec.VARIANTS`."""
    parts = variant.split("_")
    conv = _CONV_ADD if "add" in parts else _CONV
    tail = _TABLE if "table" in parts else "  Y = Identity (y)"
    return parse_body(VARIANTS[variant], ATTRIBUTES, inputs(variant), conv, tail)
