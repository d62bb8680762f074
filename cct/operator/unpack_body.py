"""What bodies share: the text of a function, and the steps that make the weight dense."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
import onnx_ir as ir

from cct.operator.spec import DOMAIN, OPSET

_FUNCTION = """
<domain: "{domain}", opset_import: ["" : {opset}]>
{name} <{attributes}>
({inputs}) => (Y)
{{
{steps}
}}
"""

# From the attributes, W, filters, channels, patterns, order and in_order to `dense_32`: float32 (O, C/group, kh, kw).
# Numbers of int8 pass through float32 unchanged.
UNPACK = """
  kernel = Constant <value_ints: ints = @kernel_shape> ()
  pool_1d = Constant <value_ints: ints = @pool> ()
  bo_bi = Constant <value_ints: ints = @block> ()
  groups = Constant <value_int: int = @group> ()
  C = Constant <value_int: int = @in_channels> ()
  O = Constant <value_int: int = @out_channels> ()
  E = Constant <value_int: int = @entries> ()
  zero = Constant <value_int: int = 0> ()
  one = Constant <value_int: int = 1> ()
  any = Constant <value_ints: ints = [-1]> ()
  axis_0 = Constant <value_ints: ints = [0]> ()
  axis_1 = Constant <value_ints: ints = [1]> ()
  axes_13 = Constant <value_ints: ints = [1, 3]> ()
  axes_23 = Constant <value_ints: ints = [2, 3]> ()
  axes_12 = Constant <value_ints: ints = [1, 2]> ()
  bo = Gather (bo_bi, zero)
  bi = Gather (bo_bi, one)
  taps = ReduceProd <keepdims: int = 0> (kernel)
  C_group = Div (C, groups)

  # output channel of each stored weight: (K, 1, 1, bo)
  order_64 = Cast <to: int = 7> (order)
  bo_1d = Unsqueeze (bo, axis_0)
  any_bo = Concat <axis: int = 0> (any, bo_1d)
  order_2d = Reshape (order_64, any_bo)
  filters_64 = Cast <to: int = 7> (filters)
  o_padded = Gather (order_2d, filters_64)
  o_2d = Max (o_padded, zero)
  o = Unsqueeze (o_2d, axes_12)

  # input channel within the group: (K, bi, 1, 1)
  places_out = Size (order)
  groups_bo = Mul (groups, bo)
  blocks_out = Div (places_out, groups_bo)
  places_in = Size (in_order)
  groups_bi = Mul (groups, bi)
  blocks_in = Div (places_in, groups_bi)
  g = Div (filters_64, blocks_out)
  g_blocks = Mul (g, blocks_in)
  channels_64 = Cast <to: int = 7> (channels)
  block_in = Add (g_blocks, channels_64)
  in_order_64 = Cast <to: int = 7> (in_order)
  bi_1d = Unsqueeze (bi, axis_0)
  any_bi = Concat <axis: int = 0> (any, bi_1d)
  in_order_2d = Reshape (in_order_64, any_bi)
  c_padded = Gather (in_order_2d, block_in)
  g_C = Mul (g, C_group)
  g_2d = Unsqueeze (g_C, axis_1)
  c_signed = Sub (c_padded, g_2d)
  c_2d = Max (c_signed, zero)
  c = Unsqueeze (c_2d, axes_23)

  # position within the kernel: (K, 1, E, 1)
  E_1d = Unsqueeze (E, axis_0)
  any_E = Concat <axis: int = 0> (any, E_1d)
  pool_2d = Reshape (pool_1d, any_E)
  patterns_64 = Cast <to: int = 7> (patterns)
  t_2d = Gather (pool_2d, patterns_64)
  t = Unsqueeze (t_2d, axes_13)

  # dense weight: scatter into zeros. Padding adds zeros to channel 0, hence reduction "add".
  C_taps = Mul (C_group, taps)
  o_at = Mul (o, C_taps)
  c_at = Mul (c, taps)
  oc_at = Add (o_at, c_at)
  at = Add (oc_at, t)
  at_1d = Reshape (at, any)
  W_32 = Cast <to: int = 1> (W)
  W_1d = Reshape (W_32, any)
  size = Mul (O, C_taps)
  size_1d = Unsqueeze (size, axis_0)
  zeros = ConstantOfShape <value: tensor = float[1] {0.0}> (size_1d)
  flat = ScatterElements <axis: int = 0, reduction: string = "add"> (zeros, at_1d, W_1d)
  O_1d = Unsqueeze (O, axis_0)
  C_1d = Unsqueeze (C_group, axis_0)
  shape = Concat <axis: int = 0> (O_1d, C_1d, kernel)
  dense_32 = Reshape (flat, shape)
"""

# The attributes of Conv and its likes that are ours by the same name.
GEOMETRY = """kernel_shape: ints = @kernel_shape, strides: ints = @strides, pads: ints = @pads,
               dilations: ints = @dilations, group: int = @group"""


def parse_body(name: str, attributes: Iterable[str], inputs: Iterable[str], *steps: str) -> ir.Function:
    """The function of our domain that unpacks its weights and then takes `steps`, up to an output `Y`."""
    text = _FUNCTION.format(
        domain=DOMAIN,
        opset=OPSET,
        name=name,
        attributes=", ".join(attributes),
        inputs=", ".join(inputs),
        steps="\n".join((UNPACK, *steps)),
    )
    return ir.serde.deserialize_function(onnx.parser.parse_function(text))
