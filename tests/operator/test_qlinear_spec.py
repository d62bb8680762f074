"""Names, inputs and attributes of the operator on bytes."""

from __future__ import annotations

import itertools

import pytest

from cct.operator.qlinear_spec import ATTRIBUTES, NAMES, VARIANTS, attributes, choose_variant, inputs
from tests.support.qlinear_cases import draw_qlinear_case


@pytest.mark.parametrize(
    ("residual", "table", "name"),
    [
        (False, False, "QLinearPatternConv"),
        (True, False, "QLinearPatternConvAdd"),
        (False, True, "QLinearPatternConvTable"),
        (True, True, "QLinearPatternConvAddTable"),
    ],
)
def test_a_name_says_what_follows(residual, table, name):
    assert VARIANTS[choose_variant(residual, table)] == name
    assert name in NAMES


def test_the_inputs_stand_as_the_specification_has_them():
    first = "X x_scale x_zero_point W w_scale y_scale y_zero_point filters channels patterns order in_order B"
    for residual, table in itertools.product((False, True), repeat=2):
        expected = first.split() + ["Z", "z_scale", "z_zero_point"] * residual + ["table"] * table
        assert list(inputs(choose_variant(residual, table))) == expected


def test_a_node_has_every_attribute_and_no_clip():
    case = draw_qlinear_case(0)
    assert sorted(attributes(case.packed, **case.geometry)) == sorted(ATTRIBUTES)
    assert not [name for name in ATTRIBUTES if name.startswith("clip")]
