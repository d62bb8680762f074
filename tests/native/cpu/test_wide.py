"""Images of rows too long for a cache: in strips of columns, whatever the machine's cache (at most 2 MB count)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from tests.native.cpu.boundaries import Answered, convolution, same_bits, words
from tests.native.cpu.fenced import Fenced
from tests.native.native_binding import SUPPORTED
from tests.support.cases import draw_packed, draw_values

CHANNELS, LARGE = 100, 1_500_000
KERNELS: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "1x9": ((1, 9), {"pads": (0, 4, 0, 4)}),
    "1x9 in place": ((1, 9), {}),
    "1x1 in place": ((1, 1), {}),
    "2x3 in place": ((2, 3), {}),
    "3x3": ((3, 3), {"pads": (1, 1, 1, 1)}),
    "3x3, stride 2": ((3, 3), {"pads": (1, 1, 1, 1), "strides": (2, 2)}),
    "1x3, stride 3": ((1, 3), {"pads": (0, 1, 0, 0), "strides": (1, 3)}),
    "1x5, dilated": ((1, 5), {"pads": (0, 60, 0, 60), "dilations": (1, 30)}),
    "3x3, uneven": ((3, 3), {"pads": (2, 40, 1, 0), "strides": (1, 2)}),
}


@functools.lru_cache(maxsize=1)
def answered(name: str, block: tuple[int, int], height: int, types: str) -> Answered:
    """A case whose rows, with those of zeros around them, take more than twice the largest share of a cache."""
    kernel, geometry = KERNELS[name]
    rng = np.random.default_rng([height, *block])
    packed = draw_packed(
        rng,
        out_channels=block[0] + 1,
        in_channels=CHANNELS,
        kernel=kernel,
        entries=min(4, kernel[0] * kernel[1]),
        block=block,
        keep=0.1,
    )
    above, _, below, _ = geometry.get("pads", (0,) * 4)
    height = max(height, kernel[0] - above - below)
    width = LARGE // CHANNELS // (height + above + below) + 7
    shape = (1, CHANNELS, height, width)
    return Answered(draw_values(rng, packed, shape, geometry, "clip", height == 1).cast(types))


def agree(answered: Answered, isa: str) -> None:
    """Between pages that nobody may touch, at both ends, whatever the scratch holds, with any threads."""
    case, conv = answered.case, convolution(answered.case, isa)
    results = []
    for at_end, threads, scratch in ((True, 0, np.nan), (False, 3, 3e38)):
        x, z = Fenced(case.x, at_end), None if case.z is None else Fenced(case.z, at_end)
        results.append(conv.run(x.array, z and z.array, threads, scratch))
    assert (abs(results[0] - answered.expected) <= answered.bound).all(), words(case)
    assert same_bits(*results)


# The rows in the inner loop, for which the cases are answered once.
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("block", [(2, 1), (8, 1)])
@pytest.mark.parametrize("isa", SUPPORTED)
def test_images_of_one_row_agree(block, name, isa):
    agree(answered(name, block, 1, "float32"), isa)


@pytest.mark.parametrize("types", ["float32", "float16"])
@pytest.mark.parametrize("name", ["3x3", "3x3, stride 2", "3x3, uneven", "2x3 in place"])
@pytest.mark.parametrize("isa", SUPPORTED)
def test_images_of_several_rows_agree(name, types, isa):
    agree(answered(name, (4, 1), 5, types), isa)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("isa", SUPPORTED)
def test_longer_rows_take_no_more_scratch(name, isa):
    case = answered(name, (2, 1), 1, "float32").case
    height = case.x.shape[2]
    (_, long), (_, longer) = (
        convolution(case, isa).prepare((1, CHANNELS, height, width)) for width in (2**20 + 7, 2**24 + 7)
    )
    assert long <= 64 * 4 * 2**21
    assert longer <= 1.2 * long
