"""Valid models to begin with."""

from __future__ import annotations

import numpy as np

from tests.support.cases import CLIPS, TYPES, Case, draw_packed, draw_values

KERNELS = ((3, 3), (3, 3), (1, 1), (5, 5), (2, 3), (1, 7))


def base(number: int) -> Case:
    """One of any number of valid models to begin with."""
    rng = np.random.default_rng(number)
    kernel = KERNELS[rng.integers(len(KERNELS))]
    group = int(rng.integers(1, 4))
    packed = draw_packed(
        rng,
        out_channels=group * int(rng.integers(1, 13)),
        in_channels=group * int(rng.integers(1, 7)),
        group=group,
        kernel=kernel,
        entries=int(rng.integers(1, kernel[0] * kernel[1] + 1)),
        patterns=int(rng.integers(1, 13)),
        block=(int(rng.choice([1, 2, 4, 4, 8])), int(rng.choice([1, 1, 2, 3]))),
        keep=float(rng.choice([0.3, 0.7, 1.0])),
    )
    geometry = {
        "strides": tuple(rng.integers(1, 4, 2).tolist()),
        "pads": tuple(rng.integers(0, 4, 4).tolist()),
        "dilations": tuple(rng.integers(1, 3, 2).tolist()),
    }
    shape = (int(rng.integers(1, 3)), packed.in_channels, *rng.integers(13, 24, 2).tolist())
    act = list(CLIPS)[rng.integers(len(CLIPS))]
    case = draw_values(rng, packed, shape, geometry, act, residual=bool(rng.integers(2)))
    return case.cast(list(TYPES)[number % len(TYPES)])
