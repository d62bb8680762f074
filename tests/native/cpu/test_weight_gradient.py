"""The gradient of the weights against the float64 reference, and weights that change, on every ISA row."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.typing import NDArray

from tests.native.cpu.boundaries import boundary_cases, boundary_grid, same_bits, words
from tests.native.cpu.fenced import Fenced
from tests.native.native_binding import SUPPORTED, Arguments, NativeError, PatternConv, WeightGradient
from tests.support.cases import EPS, Case, cases, draw_packed, draw_values

rows = pytest.mark.parametrize("isa", SUPPORTED)
SAME = {"pads": (1, 1, 1, 1)}
MOST_ADDED = 300  # sums that follow each other: vectors, images of a share, shares


def gradient_of(case: Case, isa: str) -> WeightGradient:
    return WeightGradient(Arguments.of(case.packed, case.bias, **case.geometry, **case.clip), isa)


def dense_gradient(x: NDArray[np.floating], dy: NDArray[np.floating], case: Case) -> NDArray[np.float64]:
    """(O, C/group, kh * kw) of the dense weight, in float64."""
    p, g = case.packed, {"strides": (1, 1), "pads": (0,) * 4, "dilations": (1, 1)} | case.geometry
    top, left, bottom, right = g["pads"]
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    images, outputs, height, width = dy.shape
    dy = dy.astype(np.float64).reshape(images, p.group, outputs // p.group, height, width)
    answer = np.zeros((p.group, outputs // p.group, p.in_channels // p.group, p.kernel_shape[0] * p.kernel_shape[1]))
    for position, (row, column) in enumerate(itertools.product(*map(range, p.kernel_shape))):
        row, column = row * g["dilations"][0], column * g["dilations"][1]
        seen = padded[:, :, row:, column:][:, :, :: g["strides"][0], :: g["strides"][1]][:, :, :height, :width]
        seen = seen.reshape(images, p.group, -1, height, width)
        answer[..., position] = np.einsum("ngohw,ngchw->goc", dy, seen)
    return answer.reshape(outputs, -1, answer.shape[-1])


def packed_like(dense: NDArray[np.float64], case: Case) -> NDArray[np.float64]:
    """The numbers of the dense weight where W has them; zero on padding."""
    p, (bo, bi) = case.packed, case.packed.block
    group = p.filters // (len(p.order) // (p.group * bo))
    outputs = p.order.reshape(-1, bo)[p.filters]
    inputs = p.in_order.reshape(-1, bi)[group * (len(p.in_order) // (p.group * bi)) + p.channels]
    at = outputs[:, None, None, :], inputs[:, :, None, None], p.pool[p.patterns][:, None, :, None]
    real = (at[0] >= 0) & (at[1] >= 0)
    first = (group * (p.in_channels // p.group))[:, None, None, None]
    values = dense[at[0], np.maximum(at[1] - first, 0), at[2]]
    return np.where(real, values, 0).reshape(p.W.shape)


def agree(case: Case, isa: str, threads: int = 1, seed: int = 0) -> None:
    dy = np.random.default_rng(seed).standard_normal(case.expected().shape).astype(np.float32)
    got = gradient_of(case, isa).run(case.x, dy, threads)
    expected = packed_like(dense_gradient(case.x, dy, case), case)
    bound = packed_like(dense_gradient(abs(case.x), abs(dy), case), case) * EPS * 8
    assert (abs(got - expected) <= bound).all(), words(case)


@rows
def test_every_case_agrees(isa):
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(cases())
    def check(case):
        agree(case, isa)

    check()


@rows
def test_cases_at_boundaries_agree(isa):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(boundary_cases([(1, 1), (2, 1), (4, 1), (8, 1), (4, 2)]))
    def check(case):
        agree(case, isa, threads=2)

    check()


@rows
@pytest.mark.parametrize("block", [(1, 1), (2, 1), (4, 1), (8, 2)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (7, 1)])
def test_sizes_around_vectors_agree(isa, block, kernel):
    for i, case in enumerate(boundary_grid(block, kernel)):
        agree(case, isa, threads=i % 4)


@rows
@pytest.mark.parametrize("images", [1, 5, 16, 17, 40])
@pytest.mark.parametrize("size", [1, 4, 8, 15, 32])
def test_images_that_are_computed_together_agree(isa, images, size):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=13, in_channels=6, keep=0.7)
    agree(draw_values(rng, packed, (images, 6, size, size), SAME), isa, threads=2)


@rows
@pytest.mark.parametrize("shape", [(1, 40, 90, 90), (3, 8, 200, 150)])
@pytest.mark.parametrize("geometry", [SAME, {}, {**SAME, "strides": (2, 2)}])
def test_images_that_are_cut_into_bands_agree(isa, shape, geometry):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=9, in_channels=shape[1], keep=0.4)
    agree(draw_values(rng, packed, shape, geometry), isa, threads=3)


@rows
def test_what_rounding_adds_up_to_stays_small(isa):
    """All products alike: every addition errs to the same side."""
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=4, in_channels=2, keep=1)
    case = draw_values(rng, packed, (64, 2, 40, 40), {})
    x, dy = np.full_like(case.x, 0.1), np.full(case.expected().shape, 0.1, np.float32)
    got = gradient_of(case, isa).run(x, dy)
    exact = packed_like(dense_gradient(x, dy, case), case)
    assert (abs(got - exact) <= MOST_ADDED * 2.0**-24 * exact).all()


@rows
def test_any_number_of_threads_and_any_scratch_give_the_same_bits(isa):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=22, in_channels=12)
    for shape in ((1, 12, 14, 14), (3, 12, 80, 61), (40, 12, 8, 8)):
        case = draw_values(rng, packed, shape, SAME)
        dy = rng.standard_normal(case.expected().shape)
        gradient = gradient_of(case, isa)
        alone = gradient.run(case.x, dy, threads=0)
        for threads, scratch in ((1, 0), (2, np.nan), (7, np.inf)):
            assert same_bits(gradient.run(case.x, dy, threads, scratch), alone)


@rows
@pytest.mark.parametrize("at_end", [True, False], ids=["end", "start"])
@pytest.mark.parametrize("size", [(1, 1), (1, 33), (5, 3), (7, 7), (3, 15), (14, 14), (13, 5), (2, 31), (9, 57)])
def test_x_and_dy_are_not_overrun(isa, at_end, size):
    rng = np.random.default_rng(size)
    for block, pads, strides in itertools.product([(1, 1), (2, 1), (4, 1)], [0, 1, 4], [1, 2, 3]):
        packed = draw_packed(rng, out_channels=7, in_channels=5, block=block, keep=0.9)
        geometry = {"pads": (pads,) * 4, "strides": (strides, strides)}
        shape = (2, 5, *(s + (2 if pads == 0 else 0) for s in size))
        case = draw_values(rng, packed, shape, geometry)
        dy = rng.standard_normal(case.expected().shape).astype(np.float32)
        fenced = Fenced(case.x, at_end), Fenced(dy, at_end)
        got = gradient_of(case, isa).run(fenced[0].array, fenced[1].array, threads=0)
        expected = packed_like(dense_gradient(case.x, dy, case), case)
        assert abs(got - expected).max(initial=0) <= 1e-4 * max(1, abs(expected).max(initial=0))


@rows
def test_no_kernels_and_no_images_have_no_gradient(isa):
    rng = np.random.default_rng(0)
    for keep, images in ((0, 2), (1, 0)):
        packed = draw_packed(rng, out_channels=5, in_channels=3, keep=keep)
        gradient = WeightGradient(Arguments.of(packed, np.zeros(5), **SAME), isa)
        got = gradient.run(np.ones((images, 3, 9, 9)), np.ones((images, 5, 9, 9)))
        assert got.shape == packed.W.shape
        assert (got == 0).all()


@rows
def test_what_has_no_gradient_is_refused(isa):
    packed = draw_packed(np.random.default_rng(0), out_channels=5, in_channels=3)
    for types in ("f4", "f2"):
        half = replace(packed, W=packed.W.astype("f2"))
        with pytest.raises(NativeError, match="only float32 has a gradient"):
            WeightGradient(Arguments.of(half, np.zeros(5, types)), isa)
    gradient = WeightGradient(Arguments.of(packed, np.zeros(5)), isa)
    for shape, message in [
        ((1, 4, 9, 9), "X has 4 channels"),
        ((-1, 3, 9, 9), "X has -1 images"),
        ((2**40, 3, 2**20, 9), "63 bits"),
    ]:
        with pytest.raises(NativeError, match=message):
            gradient.prepare(shape)
    with pytest.raises(NativeError, match="the threads did not run"):
        gradient.run(np.zeros((1, 3, 9, 9)), np.zeros((1, 5, 7, 7)), threads=-1)


@rows
@pytest.mark.parametrize("types", [("f4", "f4"), ("f4", "f2"), ("f2", "f2")])
@pytest.mark.parametrize("block", [(1, 1), (1, 3), (3, 1), (4, 1), (8, 2)])
def test_weights_that_were_set_are_those_of_a_new_convolution(isa, block, types):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=14, in_channels=70, block=block, keep=0.8)
    case = draw_values(rng, packed, (2, 70, 9, 9), SAME)
    kind, weight_kind = types
    first, second = (
        replace(
            case,
            x=case.x.astype(kind),
            packed=replace(packed, W=(packed.W * f).astype(weight_kind)),
            bias=(case.bias * f).astype(kind),
        )
        for f in (1, -0.3)
    )
    new = PatternConv(Arguments.of(second.packed, second.bias, **SAME), isa).run(second.x)
    conv = PatternConv(Arguments.of(first.packed, first.bias, **SAME), isa, training=True)
    conv.run(first.x)
    conv.set_weights(second.packed.W, second.bias)
    assert same_bits(conv.run(second.x), new)
