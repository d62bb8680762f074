"""float32 as tensor cores multiply it, said again in NumPy: 10 bits of mantissa, rounded to the nearest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.cases import Case


def to_tf32(array: NDArray[Any]) -> NDArray[np.float32]:
    """Ties go away from zero; a NaN stays one."""
    exact = np.asarray(array, np.float32).astype(np.float64)
    exponent = np.maximum(np.frexp(exact)[1], -125)  # a number below 2^exponent keeps 11 bits, subnormal ones fewer
    kept = np.copysign(np.floor(np.ldexp(abs(exact), 11 - exponent) + 0.5), exact)
    with np.errstate(over="ignore"):
        return np.where(np.isfinite(exact), np.ldexp(kept, exponent - 11), exact).astype(np.float32)


def rounded(case: Case) -> Case:
    """What tensor cores make of a case, but for the rounding of sums."""
    return replace(case, x=to_tf32(case.x), packed=replace(case.packed, W=to_tf32(case.packed.W)))
