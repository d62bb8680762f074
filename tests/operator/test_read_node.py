"""A node of a file that is not trusted."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir
import pytest

from cct.errors import OperatorError
from cct.operator.read_node import read_pattern_conv
from cct.operator.spec import CONSTANTS
from tests.support.cases import draw_packed, draw_values

SAME = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1)}


FAULTS = {
    "attribute missing": (lambda n: n.attributes.pop("group"), "attribute group is missing"),
    "attribute type": (lambda n: n.attributes.add(ir.AttrInt64("pool", 3)), "attribute pool is INT; must be INTS"),
    "layout": (lambda n: n.attributes.add(ir.AttrString("layout", "NHWC")), "layout 'NHWC' is not known"),
    "strides": (lambda n: n.attributes.add(ir.AttrInt64s("strides", [0, 1])), "strides"),
    "pads": (lambda n: n.attributes.add(ir.AttrInt64s("pads", [1, 1, 1])), "pads"),
    "dilations": (lambda n: n.attributes.add(ir.AttrInt64s("dilations", [1, 1 << 20])), "dilations"),
    "clip": (lambda n: n.attributes.add(ir.AttrFloat32("clip_max", math.nan)), "clip_min"),
    "pool": (lambda n: n.attributes.add(ir.AttrInt64s("pool", [0, 1, 2])), "does not divide into 4"),
    "inputs": (lambda n: n.resize_inputs(7), "7 inputs"),
    "no constant": (lambda n: n.replace_input_with(1, n.inputs[0]), "W must be a constant"),
    "bias": (lambda n: n.replace_input_with(7, n.inputs[1]), "B"),
    "weights": (lambda n: cast(n, "W", np.float64), "W is float64; must be float32 or float16"),
    "wider weights": (lambda n: cast(n, "B", np.float16), "W is float32, wider than B, which is float16"),
    "image": (lambda n: setattr(n.inputs[0], "dtype", ir.DataType.FLOAT16), "X is FLOAT16 and B float32"),
}


def cast(node, name, dtype):
    """Give a constant another type."""
    value = node.inputs[1 + CONSTANTS.index(name)]
    value.const_value = ir.tensor(value.const_value.numpy().astype(dtype))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_node_that_breaks_the_specification_is_refused(fault):
    rng = np.random.default_rng(0)
    case = draw_values(rng, draw_packed(rng, out_channels=5, in_channels=3), (1, 3, 6, 6), SAME)
    node = ir.from_proto(case.model()).graph[0]
    packed, bias = read_pattern_conv(node)
    assert np.array_equal(packed.W, case.packed.W)
    assert np.array_equal(bias, case.bias)
    change, message = FAULTS[fault]
    change(node)
    with pytest.raises(OperatorError, match=message):
        read_pattern_conv(node)
