"""A node on bytes of a file that is not trusted."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from cct.errors import OperatorError
from cct.operator.qlinear_spec import VARIANTS, inputs
from cct.operator.read_qlinear_node import read_qlinear_pattern_conv
from tests.support.qlinear_cases import draw_qlinear_case

KINDS = {"none": {}, "add": {"residual": True}, "table": {"tables": 1}, "add_table": {"residual": True, "tables": 2}}
PLACE = {name: i for i, name in enumerate(inputs("add_table"))}


def change(node, name, array):
    """Give a constant another value."""
    node.inputs[PLACE[name]].const_value = ir.tensor(array)


FAULTS = {
    "attribute missing": (lambda n: n.attributes.pop("group"), "attribute group is missing"),
    "layout": (lambda n: n.attributes.add(ir.AttrString("layout", "NHWC")), "layout 'NHWC' is not known"),
    "strides": (lambda n: n.attributes.add(ir.AttrInt64s("strides", [0, 1])), "strides"),
    "pool": (lambda n: n.attributes.add(ir.AttrInt64s("pool", [0, 1, 2])), "does not divide into 4"),
    "name": (lambda n: setattr(n, "op_type", VARIANTS["add"]), "17 inputs; QLinearPatternConvAdd has 16"),
    "input missing": (lambda n: n.replace_input_with(3, None), "16 inputs; QLinearPatternConvAddTable has 17"),
    "image": (lambda n: setattr(n.inputs[0], "dtype", ir.DataType.INT8), "X is INT8; must be UINT8"),
    "residual": (lambda n: setattr(n.inputs[PLACE["Z"]], "dtype", ir.DataType.FLOAT), "Z is FLOAT; must be UINT8"),
    "weights": (lambda n: change(n, "W", np.zeros((1, 4, 4), np.float32)), "W is float32; must be int8"),
    "index": (lambda n: change(n, "order", np.zeros(16, np.int64)), "order is int64; must be int32"),
    "scale": (lambda n: change(n, "x_scale", np.array(0, np.float32)), "x_scale 0: must be"),
    "sum": (lambda n: change(n, "B", np.full(16, 2**31 - 1, np.int32)), "sums may reach"),
} | {
    f"{name} no constant": (lambda n, i=i: n.replace_input_with(i, n.inputs[0]), f"input {name} must be a constant")
    for name, i in PLACE.items()
    if name not in ("X", "Z")
}


def node_of(case):
    return ir.from_proto(case.model()).graph[0]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_node_is_read_as_it_was_written(variant):
    case = draw_qlinear_case(0, **KINDS[variant])
    packed, bias, quantization = read_qlinear_pattern_conv(node_of(case))
    assert np.array_equal(bias, case.bias)
    for read, written in ((packed, case.packed), (quantization, case.quantization)):
        for name, value in vars(written).items():
            assert (value is None) == (getattr(read, name) is None)
            assert value is None or np.array_equal(getattr(read, name), value)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_node_that_breaks_the_specification_is_refused(fault):
    node = node_of(draw_qlinear_case(0, residual=True, tables=1))
    make, message = FAULTS[fault]
    make(node)
    with pytest.raises(OperatorError, match=message) as error:
        read_qlinear_pattern_conv(node)
    assert str(error.value).startswith("QLinearPatternConv '")
