"""The meaning in numpy: by hand, and such that the cases of the other tests tell it from its neighbours."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest

from cct.operator import qlinear_reference as module
from cct.operator.layout import Layout
from cct.operator.packed import pack
from cct.operator.qlinear_reference import qlinear_reference
from cct.operator.quantization import Quantization
from tests.support.qlinear_cases import draw_qlinear_case, telling_cases


def byte(value):
    return np.array(value, np.uint8)


def scale(*values):
    return np.array(values if len(values) > 1 else values[0], np.float32)


def pointwise(weight, **quantization):
    """One channel, one weight, x_zero_point 10, y_zero_point 100, M = 1/2."""
    places = np.zeros(1, np.int32)
    packed = pack(np.array([[[[weight]]]], np.int8), Layout((1, 1), places, places, 1))
    given = Quantization(scale(0.5), byte(10), np.ones(1, np.float32), scale(1), byte(100))
    return packed, replace(given, **quantization)


def test_ties_go_to_even_and_ends_are_clamped():
    packed, quantization = pointwise(1)
    x = np.array([10, 11, 12, 13, 15, 9, 7, 255, 0], np.uint8).reshape(1, 1, 1, -1)
    bias = np.array([0], np.int32)
    y = qlinear_reference(x, packed, bias, quantization)
    # v:   0    .5   1   1.5  2.5  -.5  -1.5  122.5  -5
    assert y.reshape(-1).tolist() == [100, 100, 101, 102, 102, 100, 98, 222, 95]
    y = qlinear_reference(x, pointwise(127)[0], bias, quantization)
    assert y.reshape(-1).tolist() == [100, 164, 227, 255, 255, 36, 0, 255, 0]


def test_the_zero_point_is_padded():
    packed, quantization = pointwise(1)
    y = qlinear_reference(
        np.full((1, 1, 1, 1), 20, np.uint8), packed, np.array([4], np.int32), quantization, pads=(0, 1, 0, 1)
    )
    assert y.reshape(-1).tolist() == [102, 107, 102]


def test_a_residual_is_added_before_rounding():
    packed, quantization = pointwise(1, z_scale=scale(0.25), z_zero_point=byte(3))
    x, z = np.full((1, 1, 1, 1), 11, np.uint8), np.full((1, 1, 1, 1), 4, np.uint8)
    y = qlinear_reference(x, packed, np.array([0], np.int32), quantization, z)
    assert y.item() == 101  # 0.5 + 0.25; rounded before, 100


@pytest.mark.parametrize("tables", [1, 2])
def test_a_table_comes_last(tables):
    case = draw_qlinear_case(0, tables=tables)
    bare = replace(case, quantization=replace(case.quantization, table=None)).expected()
    table = np.broadcast_to(case.quantization.table, (16, 256))
    expected = [table[o][bare[0, o]] for o in range(16)]
    assert np.array_equal(case.expected()[0], expected)


M = "q.multiplier[:, None, None]"
S = "q.residual_multiplier"
FAULTS = {
    "ties away from zero": ("np.rint(v)", "np.copysign(np.floor(abs(v) + np.float32(0.5)), v)"),
    "zero point before rounding": (
        "np.clip(np.rint(v), -y_zero_point, 255 - y_zero_point).astype(np.int64) + y_zero_point",
        "np.clip(np.rint(v + y_zero_point), 0, 255).astype(np.int64)",
    ),
    "zeros padded": (
        "convolve(signed, weight, packed.group, strides=strides, pads=pads, dilations=dilations)",
        "convolve(x.astype(np.int64), weight, packed.group, strides=strides, pads=pads, dilations=dilations)"
        " - int(q.x_zero_point) * weight.sum((1, 2, 3))[:, None, None]",
    ),
    "product in float64": (f"acc.astype(np.float32) * {M}", f"acc * {M}.astype(np.float64)"),
    "fused multiply-add": (
        f"v + (z.astype(np.int64) - int(q.z_zero_point)).astype(np.float32) * {S}",
        f"(v.astype(np.float64) + (z.astype(np.int64) - int(q.z_zero_point)) * np.float64({S})).astype(np.float32)",
    ),
    "fused multiply-add of the sum": (
        f"v + (z.astype(np.int64) - int(q.z_zero_point)).astype(np.float32) * {S}",
        f"(acc.astype(np.float32) * {M}.astype(np.float64)"
        f" + (z.astype(np.int64) - int(q.z_zero_point)).astype(np.float32) * {S}).astype(np.float32)",
    ),
    "M in float64": (
        M,
        "(np.float64(q.x_scale) * q.w_scale / np.float64(q.y_scale)).astype(np.float32)[:, None, None]",
    ),
    "M by a reciprocal": (M, "(q.x_scale * q.w_scale * (np.float32(1) / q.y_scale))[:, None, None]"),
    "bias after the sum is rounded": (
        "acc += bias[:, None, None]\n    v = acc.astype(np.float32)",
        "v = (acc.astype(np.float32) + bias[:, None, None].astype(np.float32))",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_cases_tell_a_fault(fault):
    """Of the values that the bodies are compared on."""
    right, wrong = FAULTS[fault]
    source = inspect.getsource(module)
    assert source.count(right) == 1
    faulty: dict[str, object] = {"__name__": "faulty"}
    exec(source.replace(right, wrong), faulty)
    found = 0
    for case in telling_cases():
        given = (case.x, case.packed, case.bias, case.quantization, case.z)
        found += not np.array_equal(faulty["qlinear_reference"](*given, **case.geometry), case.expected())
    assert found
