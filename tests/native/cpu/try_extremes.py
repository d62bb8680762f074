"""Random convolutions at the ends of what is allowed, on every ISA row: python try_extremes.py SEED COUNT.

Everything lies between pages that nobody may touch, at any address; what stated the weights is gone before the first
run. Exits with a segmentation fault or an exception that says which case it is, with the count on stdout otherwise.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cct.operator.reference import reference
from tests.native.cpu.boundaries import words
from tests.native.cpu.fenced import Fenced
from tests.native.native_binding import LIBRARY, SUPPORTED, Arguments, ParallelFor, PatternConv, Threads, float_type
from tests.support.cases import CLIPS, EPS, TYPES, Case, draw_packed, draw_values

MOST_NUMBERS, MOST_PRODUCTS = 150_000, 15_000_000
LEAST = {np.dtype("f4"): 2.0**-149, np.dtype("f2"): 2.0**-24}  # the smallest number above zero
VALUES = ("normal", "normal", "subnormal", "huge", "wide", "not finite")


class Draw:
    """Random choices of one seed."""

    def __init__(self, seed: Sequence[int]) -> None:
        self.rng = np.random.default_rng(seed)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def between(self, least: int, most: int) -> int:
        return int(self.rng.integers(least, most + 1))

    def one_of(self, options: Sequence[Any]) -> Any:
        return options[self.between(0, len(options) - 1)]

    def pair(self, same: float, likely: Sequence[int], rare: int) -> tuple[int, int]:
        """Two sizes, often the same, seldom up to `rare`."""
        first, second = (self.between(1, rare) if self.chance(0.03) else self.one_of(likely) for _ in range(2))
        return (first, first) if self.chance(same) else (first, second)


def draw_shape(draw: Draw) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]] | None:
    """The geometry, the kernel, and height and width; None where there would be no output, or too much."""
    kernel = draw.pair(0.8, (1, 2, 3, 3, 3, 5, 7), 20)
    strides, dilations = draw.pair(0.8, (1, 1, 1, 2, 3, 4), 65535), draw.pair(0.8, (1, 1, 1, 2, 3, 5), 400)
    same = min((kernel[0] - 1) * dilations[0] // 2, 300)
    pads = [same] * 4 if draw.chance(0.4) else [draw.between(0, 6) for _ in range(4)]
    if draw.chance(0.03):
        pads[draw.between(0, 3)] = draw.between(0, 300)
    size = [draw.between(1, 40), draw.between(1, 40)]
    if draw.chance(0.2):
        long = draw.between(1, 3000) if draw.chance(0.5) else draw.between(4001, 6000)
        size = [1, long] if draw.chance(0.6) else [long, 1]
    padded = [size[i] + pads[i] + pads[i + 2] for i in range(2)]
    room = [padded[i] - (kernel[i] - 1) * dilations[i] - 1 for i in range(2)]
    pixels = math.prod(r // s + 1 for r, s in zip(room, strides, strict=True))
    if min(room) < 0 or max(math.prod(padded), pixels) > MOST_NUMBERS:
        return None
    return {"strides": strides, "pads": tuple(pads), "dilations": dilations}, kernel, (size[0], size[1])


def scaled(draw: Draw, values: str, array: NDArray[np.floating]) -> NDArray[np.floating]:
    """The same numbers, subnormal, huge, or of all sizes."""
    low, high = {"subnormal": (-149, -120), "huge": (30, 60), "wide": (-30, 30)}.get(values, (0, 0))
    return np.ldexp(array, draw.rng.integers(low, high + 1, array.shape)).astype(np.float32)


def draw_case(draw: Draw) -> tuple[Case, str] | None:
    """A case and its kind of values."""
    shape = draw_shape(draw)
    if shape is None:
        return None
    geometry, kernel, size = shape
    group = draw.one_of((1, 1, 1, 2, 3, 4))
    most = MOST_NUMBERS // math.prod(size) // group
    channels, outputs = group * draw.between(1, max(1, min(most, 12))), group * draw.between(1, 12)
    if size[1] > 4000:
        channels = group * most  # what a plan cuts
    taps = kernel[0] * kernel[1]
    packed = draw_packed(
        draw.rng,
        out_channels=outputs,
        in_channels=channels,
        group=group,
        kernel=kernel,
        entries=1 if draw.chance(0.3) else draw.between(1, taps),
        patterns=draw.one_of((1, 4, 12, 256)),
        block=(draw.one_of((1, 1, 2, 3, 4, 4, 5, 8, 16)), draw.one_of((1, 1, 1, 2, 3, 8))),
        keep=draw.one_of((0, 0.2, 0.5, 0.9, 1)),
    )
    images = 0 if draw.chance(0.05) else draw.between(1, 2)
    case = draw_values(
        draw.rng, packed, (images, channels, *size), geometry, draw.one_of(tuple(CLIPS)), draw.chance(0.4)
    )
    if case.expected().size * channels // group * taps > MOST_PRODUCTS:
        return None
    values = draw.one_of(VALUES)
    types = "float32" if values in ("subnormal", "huge", "wide") else draw.one_of(tuple(TYPES))
    case = replace(
        case,
        x=scaled(draw, values, case.x),
        packed=replace(packed, W=scaled(draw, values, packed.W)),
        bias=scaled(draw, values, case.bias),
        z=None if case.z is None else scaled(draw, values, case.z),
    ).cast(types)
    if values == "not finite":
        at = draw.rng.random(case.x.shape) < 0.02
        case.x[at] = draw.rng.choice([np.inf, -np.inf, np.nan], at.sum())
    return case, values


def check_finite(case: Case, got: NDArray[np.floating]) -> None:
    """Against the reference; where that is beyond the type, any answer goes."""
    with np.errstate(over="ignore", invalid="ignore"):
        expected, bound = case.expected(), case.bound(8 * EPS) + (case.products + 2) * LEAST[got.dtype]
        within = abs(expected) + bound < float(np.finfo(got.dtype).max)
        bare = replace(case, act="none")
        within &= abs(bare.expected()) + bare.bound(8 * EPS) < float(np.finfo(np.float32).max)
        assert (abs(got - expected) <= bound)[within].all(), "another result"


def check_not_finite(case: Case, got: NDArray[np.floating]) -> None:
    """By the signs of what is added up: infinity times each sign, and NaN, of X, at kept positions."""
    packed, none = case.packed, np.zeros_like(case.bias, np.float64)

    def count(x: NDArray[np.bool_], w: NDArray[np.bool_]) -> NDArray[np.float64]:
        real = replace(packed, W=w.astype(np.float32))
        return reference(x.astype(np.float32), real, none, **case.geometry)

    above, below = packed.W > 0, packed.W < 0
    up, down = np.isposinf(case.x), np.isneginf(case.x)
    plus, minus = count(up, above) + count(down, below), count(up, below) + count(down, above)
    nan = count(np.isnan(case.x), above | below) + plus * minus
    low, high = CLIPS[case.act]
    sure = nan + plus + minus > 0
    assert np.isnan(got[nan > 0]).all(), "NaN is lost"
    assert (got[(nan == 0) & (plus > 0)] == np.asarray(high, got.dtype)).all(), "infinity is lost"
    assert (got[(nan == 0) & (minus > 0)] == np.asarray(low, got.dtype)).all(), "infinity is lost"
    finite = replace(case, x=np.where(np.isfinite(case.x), case.x, 0).astype(case.x.dtype))
    expected, bound = finite.expected(), finite.bound()
    assert (abs(got.astype(np.float64) - expected) <= bound)[~sure].all(), "another result"


# ---------------------------------------------------------------- runs


def loops(threads: int) -> Threads | None:
    """A parallel_for: none, one thread that goes backwards, or several."""
    if not threads:
        return None

    @ParallelFor
    def parallel_for(pool: Any, task: Any, count: int, argument: Any) -> int:
        if threads == 1:
            for i in reversed(range(count)):
                task(argument, i)
        else:
            with ThreadPoolExecutor(threads) as executor:
                list(executor.map(lambda i: task(argument, i), range(count)))
        return 0

    return Threads(parallel_for, None)


def created(draw: Draw, case: Case, isa: str) -> PatternConv:
    """From arrays that are gone afterwards."""
    arguments = Arguments.of(case.packed, case.bias, **case.geometry, **case.clip)
    fences = {}
    for name, array in list(arguments.arrays.items()):
        dtype = {"patterns": np.dtype("u1"), "W": float_type(array), "B": float_type(array)}.get(name, np.dtype("i4"))
        fences[name] = Fenced(np.ascontiguousarray(array, dtype), draw.chance(0.5))
    arguments.arrays = {name: fence.array for name, fence in fences.items()}
    return PatternConv(arguments, isa)


def run(draw: Draw, case: Case, conv: PatternConv, threads: int) -> NDArray[np.floating]:
    """Y of one run whose memory is fenced, the scratch at any address and full of anything."""
    shape, size = conv.prepare(case.x.shape)
    x, y = (Fenced(array, draw.chance(0.5)) for array in (case.x, np.full(shape, np.nan, case.x.dtype)))
    z = None if case.z is None else Fenced(case.z, draw.chance(0.5))
    scratch = Fenced(draw.rng.integers(0, 256, size, np.uint8), draw.chance(0.5), draw.between(0, 63))
    dims, error, parallel = (ctypes.c_int64 * 4)(*case.x.shape), ctypes.create_string_buffer(512), loops(threads)
    failed = LIBRARY.cct_pattern_conv_run(
        conv._handle, dims, x.array.ctypes.data, z and z.array.ctypes.data, y.array.ctypes.data,
        scratch.array.ctypes.data, parallel and ctypes.byref(parallel), error, len(error),
    )  # fmt: skip
    assert not failed, error.value
    assert y.is_alone(), "written beside Y"
    assert scratch.is_alone(), "written beside the scratch"
    return y.array.copy()


def try_case(draw: Draw, case: Case, values: str) -> None:
    for isa in SUPPORTED:
        conv = created(draw, case, isa)
        first = run(draw, case, conv, 0)
        (check_not_finite if values == "not finite" else check_finite)(case, first)
        for threads in (1, draw.one_of((2, 5))):
            assert run(draw, case, conv, threads).tobytes() == first.tobytes(), f"other bits with {threads} threads"


def main() -> None:
    seed, count = map(int, sys.argv[1:])
    done = 0
    for number in range(100 * count):
        if done == count:
            break
        draw = Draw((seed, number))
        drawn = draw_case(draw)
        if drawn is None:
            continue
        try:
            try_case(draw, *drawn)
        except Exception as fault:
            raise SystemExit(f"seed {seed}, number {number}, {drawn[1]}: {words(drawn[0])}: {fault}") from fault
        done += 1
    print(done)


main()
