"""Blocks of several output channels: sizes around vectors and tiles, pixels after the last vector, bands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tests.native.cpu.boundaries import KERNELS, Answered, answered_grid, boundary_cases, convolution, without_filters
from tests.native.native_binding import SUPPORTED
from tests.support.cases import draw_packed, draw_values

rows = pytest.mark.parametrize("isa", SUPPORTED)
BLOCKS = [(2, 1), (3, 1), (4, 1), (8, 1)]
SAME = {"pads": (1, 1, 1, 1)}


@rows
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("block", BLOCKS)
def test_sizes_around_vectors_agree(isa, block, kernel):
    for i, answered in enumerate(answered_grid(block, kernel)):
        answered.check(isa, threads=i % 4)


@rows
def test_drawn_cases_agree(isa):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(boundary_cases([*BLOCKS, (4, 2), (16, 1)]))
    def check(case):
        Answered(case).check(isa, threads=2)

    check()


def tiles(widths: str, kernel: tuple[int, int], channels: int):
    """Weights of 2 blocks whose tiles have these widths."""
    block, outputs = {"4": ((4, 1), 8), "4 2 1": ((8, 1), 14), "2": ((2, 1), 4), "1": ((1, 2), 2)}[widths]
    rng = np.random.default_rng(channels)
    return draw_packed(rng, out_channels=outputs, in_channels=channels, kernel=kernel, entries=1, block=block, keep=0.9)


@rows
@pytest.mark.parametrize("widths", ["4", "4 2 1", "2", "1"])
@pytest.mark.parametrize("residual", [False, True])
def test_any_number_of_pixels_that_are_read_in_place(isa, widths, residual):
    """Of a 1x1 convolution: any number of whole vectors, any rest, any number of products."""
    rng = np.random.default_rng(0)
    for pixels in range(1, 132):
        packed = tiles(widths, (1, 1), 1 + pixels % 9)
        shape = (1, packed.in_channels, *((2, pixels // 2) if pixels % 2 == 0 else (1, pixels)))
        Answered(draw_values(rng, packed, shape, {}, "clip", residual)).check(isa)


@rows
@pytest.mark.parametrize("widths", ["4", "4 2 1", "2", "1"])
def test_any_number_of_pixels_between_zeros(isa, widths):
    """Of a 3x3 convolution: rows that are short enough to have no lane dropped, and those that are not."""
    rng = np.random.default_rng(0)
    for width in (*range(1, 10), 15, 16, 17, 31, 32, 33, 34):
        for height in (1, 2, 3, 5, 8):
            packed = tiles(widths, (3, 3), 1 + (width + height) % 5)
            shape = (1, packed.in_channels, height, width)
            Answered(draw_values(rng, packed, shape, SAME, "clip", width % 2 == 0)).check(isa)


@rows
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (7, 1)])
@pytest.mark.parametrize("shape", [(2, 48, 112, 113), (1, 600, 33, 31)])
def test_bands_of_every_machine_agree(isa, kernel, shape):
    """More than the largest share of a cache that the packed rows of a band may take."""
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=7, in_channels=shape[1], kernel=kernel, entries=1, block=(8, 1), keep=0.2)
    geometry = {"pads": (kernel[0] // 2, kernel[1] // 2) * 2}
    case = draw_values(rng, packed, shape, geometry, "relu", residual=True)
    conv, answered = convolution(case, isa), Answered(case)
    for threads in (0, 3):
        assert (abs(conv.run(case.x, case.z, threads) - answered.expected) <= answered.bound).all()


@rows
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3)])
def test_blocks_without_a_kernel_have_their_bias_and_residual(isa, kernel):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=30, in_channels=5, kernel=kernel, entries=1, keep=1)
    case = draw_values(rng, packed, (2, 5, 7, 7), {}, "clip", residual=True)
    for none in ([0], [7], [2, 3], [0, 1, 4, 6, 7], list(range(8))):
        Answered(without_filters(case, none)).check(isa)
