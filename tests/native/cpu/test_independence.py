"""What a run does not depend on: the scratch, numbers of X and Z outside of a window, other runs and their sizes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cct.operator.reference import reference
from tests.native.cpu.boundaries import Answered, boundary_grid, convolution, same_bits, words
from tests.native.native_binding import SUPPORTED
from tests.support.cases import Case, draw_packed, draw_values

rows = pytest.mark.parametrize("isa", SUPPORTED)
some_blocks = pytest.mark.parametrize("block", [(1, 1), (2, 1), (4, 1), (8, 1)])
SAME = {"pads": (1, 1, 1, 1)}


@rows
@some_blocks
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (5, 5)])
def test_what_the_scratch_holds_makes_no_difference(isa, block, kernel):
    for case in boundary_grid(block, kernel):
        for types in ("float32", "float16"):
            case = case.cast(types)
            conv = convolution(case, isa)
            fresh, *others = (conv.run(case.x, case.z, scratch=value) for value in (0, np.nan, np.inf, 3e38))
            assert all(same_bits(fresh, other) for other in others), words(case)


def reached(case: Case, at: tuple[int, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Outputs whose window holds that number of X, and those whose kept positions do."""
    mark = np.zeros_like(case.x)
    mark[at] = 1
    bare, none = replace(case.packed, W=abs(case.packed.W)), np.zeros_like(case.bias)
    kept = reference(mark, bare, none, **case.geometry) > 0
    g, (sizes, p) = case.geometry, (case.packed.kernel_shape, kept.shape)
    within = []
    for i in range(2):
        from_start = at[2 + i] + g["pads"][i] - np.arange(p[2 + i]) * g["strides"][i]
        within.append(
            (from_start >= 0) & (from_start % g["dilations"][i] == 0) & (from_start < sizes[i] * g["dilations"][i])
        )
    image = np.arange(p[0]) == at[0]
    return np.broadcast_to((image[:, None, None] & within[0][:, None] & within[1])[:, None], p), kept


@rows
@some_blocks
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_reaches_only_its_windows(isa, block, value):
    rng = np.random.default_rng(block)
    for kernel in ((1, 1), (3, 3), (7, 1)):
        for case in boundary_grid(block, kernel):
            if case.x.size > 20_000:
                continue
            case = replace(case, act="none")
            conv = convolution(case, isa)
            before = conv.run(case.x, case.z)
            for at in [tuple(rng.integers(case.x.shape)), (0, 0, 0, 0), tuple(s - 1 for s in case.x.shape)]:
                x = case.x.copy()
                x[at] = value
                got = conv.run(x, case.z)
                held, kept = reached(case, at)
                assert same_bits(got[~held], before[~held]), (words(case), at)
                assert not np.isfinite(got[kept]).any(), (words(case), at)


@rows
@some_blocks
def test_a_residual_reaches_its_own_pixel(isa, block):
    rng = np.random.default_rng(block)
    for case in boundary_grid(block, (3, 3)):
        if case.z is None or case.x.size > 20_000:
            continue
        conv = convolution(replace(case, act="none"), isa)
        before = conv.run(case.x, case.z)
        at = tuple(rng.integers(case.z.shape))
        z = case.z.copy()
        z[at] = before[at] = np.nan
        np.testing.assert_array_equal(conv.run(case.x, z), before)


SIZES = [(7, 7), (7, 9), (9, 7), (14, 14), (14, 28), (28, 14), (3, 33), (33, 3), (56, 7)]  # more than are remembered


@rows
@some_blocks
@pytest.mark.parametrize("stride", [1, 2])
def test_sizes_in_turns_from_several_threads_at_once(isa, block, stride):
    rng = np.random.default_rng(block)
    packed = draw_packed(rng, out_channels=7, in_channels=36, entries=2, block=block, keep=0.8)
    geometry = {**SAME, "strides": (stride, stride)}
    all_cases = [draw_values(rng, packed, (1 + i % 3, 36, *size), geometry) for i, size in enumerate(SIZES)]
    all_cases = [replace(case, bias=all_cases[0].bias) for case in all_cases]
    alone = []
    for case in all_cases:
        Answered(case).check(isa)  # on a convolution of its own
        alone.append(convolution(case, isa).run(case.x, threads=0))
    shared = convolution(all_cases[0], isa)

    def take_turns(seed: int) -> bool:
        turns = np.random.default_rng(seed).integers(len(SIZES), size=40).tolist()
        return all(same_bits(shared.run(all_cases[i].x, threads=i % 3), alone[i]) for i in turns)

    with ThreadPoolExecutor(4) as executor:
        assert all(executor.map(take_turns, range(4)))
