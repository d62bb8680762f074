"""Output channels that share nothing: sizes around lines and vectors, runs of positions, passes over the channels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.native.cpu.boundaries import (
    KERNELS,
    Answered,
    answered_grid,
    boundary_cases,
    convolution,
    same_bits,
    without_filters,
)
from tests.native.native_binding import SUPPORTED
from tests.support.cases import draw_packed, draw_values

rows = pytest.mark.parametrize("isa", SUPPORTED)
BLOCKS = [(1, 1), (1, 2)]
SAME = {"pads": (1, 1, 1, 1)}


@rows
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("block", BLOCKS)
def test_sizes_around_lines_agree(isa, block, kernel):
    for i, answered in enumerate(answered_grid(block, kernel)):
        answered.check(isa, threads=i % 4)


@rows
def test_drawn_cases_agree(isa):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(boundary_cases(BLOCKS))
    def check(case):
        Answered(case).check(isa, threads=2)

    check()


@rows
@pytest.mark.parametrize("stride", [1, 2])
def test_any_width_and_number_of_rows(isa, stride):
    """Half lines, lines, overlapping vectors, several strips; each number of rows that are computed together."""
    rng = np.random.default_rng(stride)
    packed = draw_packed(rng, out_channels=3, in_channels=4, entries=3, block=(1, 1), keep=0.8)
    for width in range(1, 45):
        height = 1 + width * 7 % 31
        geometry = {**SAME, "strides": (stride, stride)}
        case = draw_values(rng, packed, (1, 4, height * stride, width), geometry, "clip", width % 2 == 0)
        Answered(case).check(isa)


@rows
@pytest.mark.parametrize("kernel", [(3, 3), (2, 2), (7, 1), (5, 5), (1, 7), (9, 1), (1, 10)])
@pytest.mark.parametrize("dilations", [(1, 1), (2, 1), (3, 2)])
def test_runs_of_any_length_agree(isa, kernel, dilations):
    """All patterns of so many positions: runs of 1 to 3 of them, and longer ones that are cut."""
    reach = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    geometry = {"pads": (reach[0] // 2, reach[1] // 2) * 2, "dilations": dilations}
    for entries, stride in itertools.product((1, 2, 3, 4, 5), (1, 2)):
        rng = np.random.default_rng(entries)
        few = min(entries, kernel[0] * kernel[1])
        packed = draw_packed(
            rng, out_channels=6, in_channels=7, kernel=kernel, entries=few, patterns=99, block=(1, 1), keep=0.9
        )
        Answered(draw_values(rng, packed, (1, 7, 15, 19), {**geometry, "strides": (stride, 1)})).check(isa)


@rows
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("keep", [0.3, 0.75, 1.0])
@pytest.mark.parametrize("channels", [32, 33, 65, 129, 512, 520])
def test_passes_over_the_channels_agree(isa, channels, keep, group):
    """One pass, several over more than 32 channels, several over more of at least 512; groups of 64 channels' runs."""
    rng = np.random.default_rng(channels)
    packed = draw_packed(
        rng,
        out_channels=4 * group,
        in_channels=channels * group,
        group=group,
        entries=4,
        block=(1, 1 + channels % 2),
        keep=keep,
    )
    for i, size in enumerate([(5, 9), (9, 5), (14, 14), (3, 21)] if channels < 512 else [(7, 7), (2, 13)]):
        case = draw_values(rng, packed, (1 + i % 2, channels * group, *size), SAME, ("clip", "relu")[i % 2], i != 2)
        Answered(case).check(isa, threads=3)
        if i == 0:
            Answered(without_filters(case, [0, group * 4 - 1])).check(isa)


@rows
@pytest.mark.parametrize("types", ["float32", "float16 weights", "float16"])
def test_passes_have_the_same_bits_on_any_number_of_threads(isa, types):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=20, in_channels=100, block=(1, 1), keep=0.9)
    case = draw_values(rng, packed, (2, 100, 28, 28), SAME, "clip", residual=True).cast(types)
    conv, answered = convolution(case, isa), Answered(case)
    alone = conv.run(case.x, case.z, threads=0)
    assert (abs(alone - answered.expected) <= answered.bound).all()
    assert all(same_bits(conv.run(case.x, case.z, threads=n), alone) for n in (1, 2, 7))


@rows
@pytest.mark.parametrize("kernel", [(3, 3), (7, 1)])
def test_bands_of_every_machine_agree(isa, kernel):
    """More than the largest share of a cache that the packed rows of a band may take."""
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=3, in_channels=520, kernel=kernel, entries=3, block=(1, 1), keep=0.9)
    geometry = {"pads": (kernel[0] // 2, kernel[1] // 2) * 2}
    Answered(draw_values(rng, packed, (1, 520, 150, 11), geometry, "relu", residual=True)).check(isa, threads=3)


@rows
def test_outputs_without_a_kernel_have_their_bias_and_residual(isa):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=8, in_channels=40, block=(1, 1), keep=1)
    case = draw_values(rng, packed, (2, 40, 9, 11), SAME, "clip", residual=True)
    for none in ([0], [7], [2, 3], list(range(8))):
        Answered(without_filters(case, none)).check(isa)
