"""Every ISA row that this CPU supports against the float64 reference, through the C API."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings

from tests.native.native_binding import SUPPORTED, Arguments, NativeError, PatternConv, run
from tests.support.cases import EPS, TYPES, cases, draw_packed, draw_values

SAME = {"pads": (1, 1, 1, 1)}
rows = pytest.mark.parametrize("isa", SUPPORTED)
every_type = pytest.mark.parametrize("types", TYPES)


def agree(case, isa, threads=1, factor=8 * EPS):
    got = run(isa, case.x, case.packed, bias=case.bias, z=case.z, threads=threads, **case.geometry, **case.clip)
    expected = case.expected()
    assert got.shape == expected.shape
    assert got.dtype == case.x.dtype
    assert (abs(got - expected) <= case.bound(factor)).all()


@rows
@every_type
def test_every_case_agrees(isa, types):
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases())
    def check(case):
        agree(case.cast(types), isa)

    check()


@rows
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(7, 7), (8, 9), (14, 14), (15, 16), (17, 31), (28, 28), (56, 56), (57, 40), (3, 200)])
def test_image_sizes_agree(isa, size, stride):
    rng = np.random.default_rng(size)
    packed = draw_packed(rng, out_channels=11, in_channels=6, keep=0.6)
    geometry = {**SAME, "strides": (stride, stride)}
    agree(draw_values(rng, packed, (2, 6, *size), geometry, "clip", residual=True), isa, threads=3)


@rows
@every_type
@pytest.mark.parametrize("shape", [(1, 40, 90, 90), (9, 40, 30, 30), (12, 8, 5, 5), (3, 160, 20, 20)])
def test_images_that_are_cut_into_bands_agree(isa, shape, types):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=9, in_channels=shape[1], keep=0.4)
    agree(draw_values(rng, packed, shape, SAME, "relu", residual=True).cast(types), isa, threads=4)


@rows
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (7, 7), (16, 16), (23, 37)])
def test_input_without_padding_is_read_in_place(isa, kernel, size):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=10, in_channels=7, kernel=(kernel, kernel), entries=1, keep=0.7)
    shape = (2, 7, *(s + kernel - 1 for s in size))
    agree(draw_values(rng, packed, shape, {}, residual=True), isa, threads=2)


@rows
def test_a_dilated_kernel_with_its_padding_agrees(isa):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=8, in_channels=8)
    geometry = {"pads": (12,) * 4, "dilations": (12, 12)}
    agree(draw_values(rng, packed, (1, 8, 33, 33), geometry), isa)


@rows
def test_padding_far_beyond_the_kernel_agrees(isa):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=5, in_channels=2)
    geometry = {"pads": (0, 70, 9, 2), "strides": (2, 3)}
    agree(draw_values(rng, packed, (1, 2, 6, 5), geometry), isa)


@rows
@pytest.mark.parametrize("block", [(16, 1), (8, 8), (64, 8), (3, 2)])
def test_blocks_agree(isa, block):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=70, in_channels=20, block=block, keep=0.5)
    agree(draw_values(rng, packed, (1, 20, 12, 12), SAME), isa, threads=2)


@rows
@pytest.mark.parametrize("group", [2, 6])
def test_groups_agree(isa, group):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=30, in_channels=12, group=group, block=(4, 2))
    agree(draw_values(rng, packed, (1, 12, 10, 10), SAME), isa, threads=2)


@rows
@every_type
@pytest.mark.parametrize("values", ["constant", "positive"])
def test_values_whose_errors_add_up_agree(isa, values, types):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=16, in_channels=64, keep=0.6)
    case = draw_values(rng, packed, (1, 64, 13, 13), SAME)
    for array in (case.x, packed.W, case.bias):
        array[...] = np.where(array != 0, 0.1, 0) if values == "constant" else abs(array)
    agree(case.cast(types), isa, factor=case.products * 2.0**-24)


@rows
def test_no_kernels_leave_the_bias(isa):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=5, in_channels=3, keep=0)
    assert len(packed.W) == 0
    case = draw_values(rng, packed, (2, 3, 9, 9), SAME)
    got = run(isa, case.x, packed, bias=case.bias, **SAME)
    assert (got == case.bias[:, None, None]).all()


@rows
@pytest.mark.parametrize("size", [9, 90])
def test_no_images_give_no_output(isa, size):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=5, in_channels=3)
    x = np.zeros((0, 3, size, size), np.float32)
    assert run(isa, x, packed, bias=np.zeros(5), **SAME).shape == (0, 5, size, size)


@rows
@every_type
def test_any_number_of_threads_gives_the_same_bits(isa, types):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=22, in_channels=40)
    for shape in ((1, 40, 14, 14), (2, 40, 80, 61)):
        case = draw_values(rng, packed, shape, SAME, residual=True).cast(types)
        conv = PatternConv(Arguments.of(case.packed, case.bias, **SAME), isa)
        alone = conv.run(case.x, case.z, threads=0)
        assert all(np.array_equal(conv.run(case.x, case.z, threads=n), alone) for n in (1, 2, 7))


def identity(dtype):
    """A PatternConv of one channel that passes X on."""
    packed = draw_packed(
        np.random.default_rng(0), out_channels=1, in_channels=1, kernel=(1, 1), entries=1, block=(1, 1), keep=1
    )
    return replace(packed, W=np.ones_like(packed.W, dtype))


EVERY_FLOAT16 = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


@rows
def test_every_float16_passes_unchanged(isa):
    x = EVERY_FLOAT16.reshape(1, 1, 256, 256)
    got = run(isa, x, identity(np.float16), bias=np.full(1, -0.0, np.float16))
    np.testing.assert_array_equal(got, x)
    assert (np.signbit(got) == np.signbit(x))[~np.isnan(x)].all()


@rows
def test_float16_weights_and_biases_are_every_float16(isa):
    """One channel each: W * 1, and B alone; those that are not finite make no difference."""
    half = EVERY_FLOAT16[:4096:3], EVERY_FLOAT16[-4096::3]  # subnormal and small, NaN and infinite
    values = np.concatenate([*half, EVERY_FLOAT16[::97]])
    channels = len(values)
    order = np.arange(channels, dtype=np.int32)
    packed = replace(
        identity(np.float16),
        W=values.reshape(-1, 1, 1),
        filters=order,
        channels=order * 0,
        patterns=np.zeros(channels, np.uint8),
        order=order,
        out_channels=channels,
    )
    x = np.ones((1, 1, 2, 3), np.float16)
    got = run(isa, x, packed, bias=np.full(channels, -0.0, np.float16))
    np.testing.assert_array_equal(got, np.broadcast_to(values[None, :, None, None], got.shape))
    got = run(isa, x * 0, replace(packed, W=np.ones_like(packed.W)), bias=values)
    np.testing.assert_array_equal(got, np.broadcast_to(values[None, :, None, None], got.shape))


@rows
@pytest.mark.parametrize("operation", ["add", "multiply"])
def test_float16_results_are_rounded_to_nearest_even(isa, operation):
    """Against numpy: ties, subnormal numbers, what overflows to infinity, NaN."""
    rng = np.random.default_rng(0)
    x = EVERY_FLOAT16.reshape(1, 1, 256, 256)
    one = identity(np.float16)
    with np.errstate(all="ignore"):
        for weight in rng.permutation(np.float16([2**-9, 0.75, -1.3, 3, 1000, 65504, 2**-24, 1 + 2**-10])):
            if operation == "add":
                z = np.roll(x, rng.integers(1 << 16))
                got = run(isa, x, one, bias=np.full(1, -0.0, np.float16), z=z)
                expected = (x.astype(np.float32) + z.astype(np.float32)).astype(np.float16)
            else:
                got = run(isa, x, replace(one, W=np.full((1, 1, 1), weight)), bias=np.full(1, -0.0, np.float16))
                expected = (x.astype(np.float32) * weight.astype(np.float32)).astype(np.float16)
            np.testing.assert_array_equal(got, expected)


@rows
@pytest.mark.parametrize("clip", [(-math.inf, math.inf), (0, math.inf), (-1, 2)])
def test_nan_and_infinity_pass_the_clip_as_in_onnxruntime(isa, clip):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=1, in_channels=1, kernel=(1, 1), entries=1, block=(1, 1), keep=1)
    packed.W[...] = 1
    x = rng.standard_normal((1, 1, 5, 7)).astype(np.float32)
    x[0, 0, 1, 1:6] = np.nan, np.inf, -np.inf, 0, -0.0
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    if clip == (0, math.inf):
        node, bounds = helper.make_node("Relu", ["x"], ["y"]), []
    else:
        node = helper.make_node("Clip", ["x", "low", "high"], ["y"])
        bounds = [
            helper.make_tensor(name, float32, [], [value]) for name, value in zip(("low", "high"), clip, strict=True)
        ]
    ends = [[helper.make_tensor_value_info(name, float32, x.shape)] for name in "xy"]
    model = helper.make_model(
        helper.make_graph([node], "g", *ends, bounds), opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    got = run(isa, x, packed, bias=np.zeros(1), clip_min=clip[0], clip_max=clip[1])
    assert np.isnan(got[0, 0, 1, 1])
    np.testing.assert_array_equal(got, session.run(None, {"x": x})[0])


@rows
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 4, 9, 9), "X has 4 channels, not 3"),
        ((1, 3, 0, 9), "X has height 0"),
        ((1, 3, 9, 2**31), "X has width 2147483648"),
        ((-1, 3, 9, 9), "X has -1 images"),
        ((1, 3, 2, 9), "kernel 3 with dilation 2 is larger than X with height 2 and padding 1 + 0"),
        ((2**40, 3, 2**20, 2**20), "X would have more bytes than 63 bits can count"),
        ((0, 3, 2**31 - 1, 2**31 - 1), "63 bits"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_with_the_numbers(isa, shape, message):
    packed = draw_packed(np.random.default_rng(0), out_channels=5, in_channels=3)
    conv = PatternConv(Arguments.of(packed, np.zeros(5), dilations=(2, 1), pads=(1, 1, 0, 1)), isa)
    with pytest.raises(NativeError, match="PatternConv: ") as caught:
        conv.prepare(shape)
    assert message in str(caught.value)


@rows
def test_rows_that_do_not_fit_are_refused(isa):
    window = {"strides": (1, 1), "pads": (65535,) * 4, "dilations": (65535, 1)}
    packed = draw_packed(
        np.random.default_rng(0), out_channels=1, in_channels=1, kernel=(32769, 1), entries=1, block=(1, 1), keep=1.0
    )
    packed = replace(packed, pool=np.array([[32768]]), patterns=packed.patterns * 0)
    conv = PatternConv(Arguments.of(packed, np.zeros(1), **window), isa)
    with pytest.raises(NativeError, match="63 bits"):
        conv.prepare((0, 1, 2**31 - 1, 2**31 - 1))


@rows
def test_rows_that_are_almost_all_padding_are_refused_before_they_take_memory(isa):
    window = {"pads": (15000, 15000, 15000, 15001), "dilations": (1, 15000)}
    packed = draw_packed(np.random.default_rng(0), out_channels=4, in_channels=1, kernel=(1, 3), entries=3, keep=1)
    conv = PatternConv(Arguments.of(packed, np.zeros(4), **window), isa)
    with pytest.raises(NativeError, match="dilation and padding make rows of"):
        conv.prepare((1, 1, 1, 1))


@rows
def test_threads_that_fail_are_an_error(isa):
    packed = draw_packed(np.random.default_rng(0), out_channels=5, in_channels=3)
    conv = PatternConv(Arguments.of(packed, np.zeros(5), **SAME), isa)
    with pytest.raises(NativeError, match="PatternConv: the threads did not run"):
        conv.run(np.zeros((1, 3, 9, 9)), threads=-1)
