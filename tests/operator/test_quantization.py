"""Scales and zero points, and the rules that they and the weights of int8 obey."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cct.errors import OperatorError
from cct.operator.packed import unpack
from cct.operator.quantization import LARGEST_SUM, check_quantization
from tests.support.qlinear_cases import draw_qlinear_case

CASE = draw_qlinear_case(0, residual=True, tables=2)


def number(value):
    return np.array(value, np.float32)


def changed(array, index, value):
    copy = array.copy()
    copy[index] = value
    return copy


def check(case):
    check_quantization(case.packed, case.bias, case.quantization)


def test_the_multiplier_is_rounded_twice():
    q = replace(CASE.quantization, x_scale=number(0.1), w_scale=np.full(16, 0.3, np.float32), y_scale=number(0.7))
    once = np.float32(np.float32(0.1) * np.float32(0.3))
    assert q.multiplier.dtype == np.float32
    assert (q.multiplier == np.float32(once / np.float32(0.7))).all()
    assert q.residual_multiplier.dtype == np.float32


FAULTS = {
    "x_scale": (lambda q: {"x_scale": number(0)}, "x_scale 0: must be from 1.17549e-38 to 3.40282e"),
    "subnormal": (lambda q: {"y_scale": number(2.0**-127)}, "y_scale 5.87747e-39"),
    "negative": (lambda q: {"z_scale": number(-1)}, "z_scale -1"),
    "infinity": (lambda q: {"y_scale": number(np.inf)}, "y_scale inf"),
    "w_scale": (lambda q: {"w_scale": changed(q.w_scale, 3, np.nan)}, "w_scale nan"),
    "M too small": (lambda q: {"x_scale": number(2.0**-126), "y_scale": number(2.0**60)}, r"x_scale \* w_scale / y_"),
    "M infinite": (
        lambda q: {"x_scale": number(2.0**127), "w_scale": np.full(16, 4, np.float32), "y_scale": number(1)},
        r"x_scale \* w_scale / y_scale inf",
    ),
    "M too large": (
        lambda q: {"x_scale": number(2.0**96), "w_scale": np.full(16, 1.5, np.float32), "y_scale": number(1)},
        r"x_scale \* w_scale / y_scale 1.18842e\+29: must be from .* to 7.92282e\+28",
    ),
    "S too small": (
        lambda q: {"y_scale": number(2.0**20), "z_scale": number(2.0**-107)},
        "z_scale / y_scale 5.87747e-39",
    ),
    "S too large": (lambda q: {"z_scale": q.y_scale * number(2.0**97)}, "z_scale / y_scale 1.58456e"),
    "type": (lambda q: {"x_zero_point": np.array(3, np.int8)}, "x_zero_point is int8; must be uint8"),
    "double": (lambda q: {"y_scale": np.array(1.0)}, "y_scale is float64; must be float32"),
    "vector": (lambda q: {"x_scale": q.x_scale.reshape(1)}, r"x_scale \(1,\): must be \(\)"),
    "scalar": (lambda q: {"w_scale": q.w_scale[0].reshape(())}, r"w_scale \(\): must be \(16,\)"),
    "half a residual": (lambda q: {"z_zero_point": None}, "z_scale and z_zero_point: both or neither"),
    "table": (lambda q: {"table": q.table[:5]}, r"table \(5, 256\): must be \(256,\) or \(16, 256\)"),
    "table of int8": (lambda q: {"table": q.table.astype(np.int8)}, "table is int8"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_quantization_is_refused(fault):
    check(CASE)
    change, message = FAULTS[fault]
    with pytest.raises(OperatorError, match=message) as error:
        check(replace(CASE, quantization=replace(CASE.quantization, **change(CASE.quantization))))
    assert "\n" not in str(error.value)


def test_the_type_of_weights_and_bias():
    with pytest.raises(OperatorError, match="W is int16; must be int8"):
        check(replace(CASE, packed=replace(CASE.packed, W=CASE.packed.W.astype(np.int16))))
    with pytest.raises(OperatorError, match="B is int64; must be int32"):
        check(replace(CASE, bias=CASE.bias.astype(np.int64)))
    with pytest.raises(OperatorError, match=r"B \(15,\): must be \(16,\)"):
        check(replace(CASE, bias=CASE.bias[1:]))


def test_the_rules_of_packed_weights_hold():
    with pytest.raises(OperatorError, match="strictly ascending"):
        check(replace(CASE, packed=replace(CASE.packed, filters=CASE.packed.filters[::-1])))


def test_weights_of_int8_on_padding_are_refused():
    packed = draw_qlinear_case(0, out_channels=14).packed
    at = np.argwhere(packed.order.reshape(-1, 4)[packed.filters] < 0)[0]
    wrong = replace(packed, W=changed(packed.W, (at[0], 0, at[1]), 1))
    with pytest.raises(OperatorError, match="zero on padding"):
        check_quantization(wrong, CASE.bias[:14], CASE.quantization)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_sum_that_may_overflow_is_refused(sign):
    sums = 255 * abs(unpack(CASE.packed).astype(np.int64)).sum((1, 2, 3))
    last = sign * (LARGEST_SUM - sums[7])
    check(replace(CASE, bias=changed(CASE.bias, 7, last)))
    with pytest.raises(OperatorError, match="output channel 7: sums may reach 2147483648, beyond 2147483647"):
        check(replace(CASE, bias=changed(CASE.bias, 7, last + sign)))


def test_the_smallest_number_overflows_nothing():
    with pytest.raises(OperatorError, match="output channel 0: sums may reach 214"):
        check(replace(CASE, bias=changed(CASE.bias, 0, -(2**31))))


def test_a_forged_kernel_shape_takes_no_memory():
    check(replace(CASE, packed=replace(CASE.packed, kernel_shape=(65535, 65535))))
