"""Prints how much scratch runs of many sizes need, as JSON.

A list for each case of scratch_cases(): by ISA row, that of the convolution and that of the weights' gradient.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator

import numpy as np

from tests.native.native_binding import SUPPORTED, Arguments, PatternConv, WeightGradient
from tests.support.cases import draw_packed

Geometry = dict[str, tuple[int, ...]]
SAME: Geometry = {"pads": (1, 1, 1, 1)}
KERNELS: list[tuple[tuple[int, int], Geometry]] = [
    ((3, 3), SAME),
    ((3, 3), {}),
    ((3, 3), SAME | {"strides": (2, 2)}),
    ((3, 3), {"pads": (12,) * 4, "dilations": (12, 12)}),
    ((1, 1), {}),
    ((1, 1), {"strides": (2, 2)}),
    ((1, 9), {"pads": (0, 4, 0, 4)}),
    ((9, 1), {"pads": (4, 0, 4, 0)}),
    ((1, 3), {"pads": (0, 512, 0, 512), "dilations": (1, 512)}),
    ((3, 1), {"pads": (512, 0, 512, 0), "dilations": (512, 1)}),
    ((5, 5), {"pads": (2, 2, 2, 2), "strides": (3, 1)}),
]
SIZES = [
    (1, 100_000), (100_000, 1), (2, 50_001), (50_001, 2), (8, 20_000), (20_000, 8), (300, 4000), (224, 224),
    (56, 56), (14, 14), (7, 7), (1, 1), (1, 700), (700, 1),
]  # fmt: skip
CHANNELS, IMAGES, BLOCKS = (16, 512), (1, 4), ((4, 1), (1, 1))


def scratch_cases() -> Iterator[tuple[tuple[int, int], Geometry, tuple[int, int, int, int], tuple[int, int]]]:
    """Kernel, the other attributes, shape of X, block."""
    for (kernel, geometry), channels, block in itertools.product(KERNELS, CHANNELS, BLOCKS):
        for (height, width), images in itertools.product(SIZES, IMAGES):
            pads, dilations = geometry.get("pads", (0,) * 4), geometry.get("dilations", (1, 1))
            reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
            if height + pads[0] + pads[2] >= reach[0] and width + pads[1] + pads[3] >= reach[1]:
                yield kernel, geometry, (images, channels, height, width), block


def main() -> None:
    convolutions, answers = {}, []
    for kernel, geometry, shape, block in scratch_cases():
        key = (kernel, str(geometry), shape[1], block)
        if key not in convolutions:
            rng = np.random.default_rng(0)
            packed = draw_packed(
                rng, out_channels=32, in_channels=shape[1], kernel=kernel, entries=1, block=block, keep=0.1
            )
            arguments = Arguments.of(packed, np.zeros(32, np.float32), **geometry)
            kinds = PatternConv, WeightGradient
            convolutions = {key: [[kind(arguments, isa) for kind in kinds] for isa in SUPPORTED]}
        wanted = 2 if math.prod(shape) < 1_000_000 else 1  # the gradient makes all that a run reads at once
        answers.append([[each.prepare(shape)[1] for each in kinds[:wanted]] for kinds in convolutions[key]])
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
