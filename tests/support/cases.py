"""Whole PatternConv cases: any shape and attribute that the operator allows, with values from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from cct.operator.packed import Packed
from cct.operator.types import TYPES
from cct.selftest.case import CLIPS, EPS, Case, draw_packed, draw_values, half_step

__all__ = ["CLIPS", "EPS", "TYPES", "Case", "cases", "convolutions", "draw_packed", "draw_values", "half_step"]


@st.composite
def convolutions(draw: st.DrawFn, max_size: int = 24) -> tuple[np.random.Generator, Packed, tuple[int, ...], Any]:
    """A generator of values, packed weights from it, the shape of X, and strides, pads and dilations."""
    kernel = draw(st.sampled_from([(3, 3), (3, 3), (3, 3), (1, 1), (1, 1), (5, 5), (2, 3), (1, 7)]))
    group = draw(st.integers(1, 3))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilations = draw(st.tuples(st.integers(1, 2), st.integers(1, 3)))
    pads = draw(st.tuples(*[st.integers(0, 3)] * 4))
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    low = [max(1, reach[i] - pads[i] - pads[i + 2]) for i in range(2)]
    size = [draw(st.integers(a, max(a, max_size))) for a in low]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    packed = draw_packed(
        rng,
        out_channels=group * draw(st.integers(1, 13)),
        in_channels=group * draw(st.integers(1, 6)),
        group=group,
        kernel=kernel,
        entries=draw(st.integers(1, kernel[0] * kernel[1])),
        patterns=draw(st.integers(1, 12)),
        block=draw(st.tuples(st.sampled_from([1, 2, 3, 4, 4, 8]), st.sampled_from([1, 1, 2, 3]))),
        keep=draw(st.sampled_from([0.0, 0.3, 0.7, 1.0])),
    )
    n = draw(st.integers(1, 3))
    geometry = {"strides": strides, "pads": pads, "dilations": dilations}
    return rng, packed, (n, packed.in_channels, *size), geometry


@st.composite
def cases(draw: st.DrawFn, max_size: int = 24) -> Case:
    """Hypothesis chooses shapes, attributes, masks and a seed; values are normal from the seed."""
    rng, packed, shape, geometry = draw(convolutions(max_size))
    act, residual = draw(st.sampled_from(list(CLIPS))), draw(st.booleans())
    return draw_values(rng, packed, shape, geometry, act, residual)
