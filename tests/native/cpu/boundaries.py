"""Cases at the boundaries of the routines: sizes around vectors, tiles and lines, and every way through a plan."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.native.native_binding import Arguments, PatternConv
from tests.support.cases import CLIPS, Case, draw_packed, draw_values

T = TypeVar("T")
Choose = Callable[[Sequence[Any]], Any]
Block = tuple[int, int]

SIDES = (*range(1, 10), *range(13, 18), *range(27, 34), 55, 56, 57, 111, 112, 113)
KERNELS = ((1, 1), (3, 3), (5, 5), (1, 3), (3, 1), (7, 1))  # runs of 5 and 7 positions are longer than any routine's
STRIDES = (*[(1, 1)] * 6, (2, 2), (2, 2), (3, 3), (1, 2), (2, 1), (3, 1))
DILATIONS = (*[(1, 1)] * 6, (2, 2), (1, 2), (3, 1))
OUTPUTS = (1, 2, 3, 4, 7, 8, 15)  # 7 and 15 leave tiles of width 4, 2 and 1 in blocks of 8
PADDINGS = ("same", "same", "same", "none", "uneven", "far")


def boundary_case(choose: Choose, block: Block, kernel: tuple[int, int], size: tuple[int, int]) -> Case:
    """A case of at least that size; what else there is to choose, `choose` takes out of a sequence."""
    strides, dilations, group = choose(STRIDES), choose(DILATIONS), choose((1, 1, 1, 2, 3))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    same = [(r - 1) // 2 for r in reach] + [r // 2 for r in reach]
    pads = {"same": same, "none": [0] * 4, "uneven": [2, 0, 1, 3], "far": [0, 11, 9, 2]}[choose(PADDINGS)]
    height, width = (max(size[i], reach[i] - pads[i] - pads[i + 2]) for i in range(2))
    rng = np.random.default_rng(choose(range(2**32)))
    packed = draw_packed(
        rng,
        out_channels=group * choose(OUTPUTS),
        in_channels=group * choose((1, 2, 3, 5, 8, 9)),
        group=group,
        kernel=kernel,
        entries=choose(range(1, kernel[0] * kernel[1] + 1)),
        patterns=choose((1, 3, 9)),
        block=block,
        keep=choose((0.3, 0.6, 0.9, 1.0)),
    )
    images = choose((1, 1, 2, 3)) if height * width < 1000 else 1
    geometry = {"strides": strides, "pads": tuple(pads), "dilations": dilations}
    shape = (images, packed.in_channels, height, width)
    return draw_values(rng, packed, shape, geometry, choose(tuple(CLIPS)), choose((False, True)))


@st.composite
def boundary_cases(draw: st.DrawFn, blocks: Sequence[Block]) -> Case:
    """Any of them, as hypothesis draws."""

    def choose(options: Sequence[T]) -> T:
        return draw(st.sampled_from(options))

    return boundary_case(choose, choose(blocks), choose(KERNELS), (choose(SIDES), choose(SIDES)))


def boundary_grid(block: Block, kernel: tuple[int, int]) -> Iterator[Case]:
    """Each side once as a width and once as a height."""
    rng = np.random.default_rng([*block, *kernel])
    for height, width in zip(rng.permutation(SIDES).tolist(), rng.permutation(SIDES).tolist(), strict=True):
        yield boundary_case(lambda options: options[rng.integers(len(options))], block, kernel, (height, width))


class Answered:
    """A case, and what the reference says of it: once for all ISA rows."""

    def __init__(self, case: Case) -> None:
        self.case, self.expected, self.bound = case, case.expected(), case.bound()

    def check(self, isa: str, threads: int = 0) -> None:
        got = convolution(self.case, isa).run(self.case.x, self.case.z, threads)
        assert (abs(got - self.expected) <= self.bound).all(), words(self.case)


@functools.lru_cache(maxsize=1)
def answered_grid(block: Block, kernel: tuple[int, int]) -> list[Answered]:
    """The grid for the rows that ask one after the other."""
    return [Answered(case) for case in boundary_grid(block, kernel)]


def convolution(case: Case, isa: str) -> PatternConv:
    return PatternConv(Arguments.of(case.packed, case.bias, **case.geometry, **case.clip), isa)


def without_filters(case: Case, filters: Sequence[int]) -> Case:
    """The same case, but these blocks of output channels keep no kernel."""
    p = case.packed
    kept = ~np.isin(p.filters, filters)
    packed = replace(p, W=p.W[kept], filters=p.filters[kept], channels=p.channels[kept], patterns=p.patterns[kept])
    return replace(case, packed=packed)


def words(case: Case) -> str:
    """What makes a case what it is, without its numbers."""
    p = case.packed
    z = "no residual" if case.z is None else "residual"
    return (
        f"X {case.x.shape}, {p.out_channels} outputs, {len(p.W)} kernels {p.kernel_shape}, block {p.block}, "
        f"{p.pool.shape[1]} entries, group {p.group}, {case.geometry}, {case.act}, {z}"
    )


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()
