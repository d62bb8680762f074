"""No ISA row reads before or beyond X or Z. One that does ends the tests with a segmentation fault in this file."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.native.cpu.fenced import Fenced
from tests.native.native_binding import SUPPORTED, Arguments, PatternConv
from tests.support.cases import Case, draw_packed, draw_values

rows = pytest.mark.parametrize("isa", SUPPORTED)
at_both = pytest.mark.parametrize("at_end", [True, False], ids=["end", "start"])
SIZES = [(1, 1), (1, 33), (5, 3), (7, 7), (8, 9), (3, 15), (14, 14), (4, 17), (13, 5), (27, 27), (2, 31), (9, 57)]


def agree(case: Case, isa: str, at_end: bool) -> None:
    x, z = Fenced(case.x, at_end), None if case.z is None else Fenced(case.z, at_end)
    conv = PatternConv(Arguments.of(case.packed, case.bias, **case.geometry, **case.clip), isa)
    for threads in (0, 2):
        got = conv.run(x.array, z and z.array, threads)
        assert (abs(got - case.expected()) <= case.bound()).all(), case


@rows
@at_both
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", [(1, 1), (2, 1), (4, 1), (8, 1)])
def test_x_in_its_own_layout_is_not_overrun(isa, at_end, size, block):
    """Without padding X is read in place: tiles of each width, pixels left after the last whole vector."""
    rng = np.random.default_rng(size)
    for kernel, outputs in itertools.product([(1, 1), (1, 3), (3, 3)], [1, 2, 7, 12]):
        packed = draw_packed(
            rng, out_channels=outputs, in_channels=5, kernel=kernel, entries=1, block=block, patterns=9, keep=0.9
        )
        shape = (2, 5, size[0] + kernel[0] - 1, size[1] + kernel[1] - 1)
        agree(draw_values(rng, packed, shape, {}, residual=outputs == 7), isa, at_end)


@rows
@at_both
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("block", [(1, 1), (1, 2), (4, 1), (8, 1)])
def test_x_that_is_packed_is_not_overrun(isa, at_end, size, block):
    """Whole planes, rows in one run, strides and dilations, by lanes and by strips."""
    rng = np.random.default_rng(size)
    packed = draw_packed(rng, out_channels=7, in_channels=5, block=block, keep=0.9)
    for pads, strides, dilations in [
        ((1, 1, 1, 1), (1, 1), (1, 1)),
        ((1, 1, 1, 1), (2, 2), (1, 1)),
        ((2, 1, 0, 3), (1, 1), (1, 1)),
        ((3, 3, 3, 3), (3, 1), (2, 3)),
        ((9, 0, 2, 8), (1, 2), (1, 1)),
    ]:
        geometry = {"pads": pads, "strides": strides, "dilations": dilations}
        agree(draw_values(rng, packed, (2, 5, *size), geometry, "clip", residual=True), isa, at_end)
