"""`body`: what a PatternConv means, as an ONNX function for runtimes that have no library of ours (docs/operator.md).

One name and function per variant in use, since a body can branch neither on an omitted input nor on an attribute.
"""

from __future__ import annotations

import onnx_ir as ir

from cct.operator.spec import ATTRIBUTES, CONSTANTS, VARIANTS
from cct.operator.unpack_body import GEOMETRY, parse_body

_CONV = f"""
  dense = CastLike (dense_32, B)
  conv = Conv <{GEOMETRY}> (X, dense, B)
"""

_ACTIVATION = {
    "none": "  Y = Identity ({sum})",
    "relu": "  Y = Relu ({sum})",
    "clip": """  low_32 = Constant <value_float: float = @clip_min> ()
  low = CastLike (low_32, B)
  high_32 = Constant <value_float: float = @clip_max> ()
  high = CastLike (high_32, B)
  Y = Clip ({sum}, low, high)""",
}


def body(variant: str) -> ir.Function:
    """The function of one of `VARIANTS`."""
    act, _, add = variant.partition("_")
    steps = (
        ["  sum = Add (conv, Z)", _ACTIVATION[act].format(sum="sum")] if add else [_ACTIVATION[act].format(sum="conv")]
    )
    inputs = ("X", *CONSTANTS, *(["Z"] if add else []))
    return parse_body(VARIANTS[variant], ATTRIBUTES, inputs, _CONV, *steps)
