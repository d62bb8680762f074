"""Times and ratios of models that ran in turns, as reports hold and print them; `cct.measure.ratio` makes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

CLOCKS = {"cpu": "CPU time", "wall": "wall clock"}


@dataclass(frozen=True)
class Timing:
    """One model's share of a comparison.

    Attributes:
        clock: "cpu", processor time of the one thread that computes, or "wall".
        ms: milliseconds a run: the 5th percentile by that clock.
        median, high: the median and the 95th percentile, likewise.
        wall: milliseconds on the wall: the median.
        waited: share of the time in which the thread that waited longest for a core had none.
        runs: timed runs.
    """

    clock: str
    ms: float
    median: float
    high: float
    wall: float
    waited: float
    runs: int


@dataclass(frozen=True)
class Ratio:
    """How many times faster one model is than another.

    Attributes:
        figure: time of the other / its own time, if that was measured well enough to be told.
        seen: the same, well measured or not.
        low, high: of the interval in which 95 % of such ratios lie.
        doubt: why there is no figure; empty if there is one.
    """

    figure: float | None
    seen: float
    low: float
    high: float
    doubt: str = ""

    @classmethod
    def of(cls, seen: float, low: float, high: float, doubt: str = "") -> Ratio:
        """A ratio that is a figure unless there is a doubt."""
        return cls(None if doubt else seen, seen, low, high, doubt)

    @property
    def inverse(self) -> Ratio:
        """How many times faster the other is."""
        seen, low, high = (1 / value if value else math.inf for value in (self.seen, self.high, self.low))
        return Ratio.of(seen, low, high, self.doubt)

    def __str__(self) -> str:
        return "no figure" if self.figure is None else f"{self.figure:.2f}x ({self.low:.2f} .. {self.high:.2f})"


@dataclass(frozen=True)
class Timings:
    """Models that were timed in turns.

    Attributes:
        models: name -> its time.
        ratios: of every model but the first: how many times faster it is than the first.
        doubt: why none of the times is a figure, in a few words; empty if they are. More turns would not help.
    """

    models: Mapping[str, Timing]
    ratios: Mapping[str, Ratio]
    doubt: str = ""


@dataclass(frozen=True)
class Speed:
    """Dense and packed model in one run, in turns.

    Attributes:
        threads: within an operator.
        dense: time of one image; None where only the packed model ran.
        packed: likewise.
        ratio: how many times faster the packed model is; None without a dense one.
        doubt: why these are no figures; empty if they are.
    """

    threads: int
    dense: Timing | None
    packed: Timing
    ratio: Ratio | None
    doubt: str = ""

    @property
    def where(self) -> str:
        """The number of threads, in words."""
        return f"{self.threads} thread{'s' * (self.threads > 1)}"


def speed_line(speed: Speed) -> str:
    """One line for a terminal: the figure, or what was seen instead."""
    dense, packed = speed.dense, speed.packed
    seen = f"{dense.ms:.2f} ms dense -> {packed.ms:.2f} ms" if dense else f"{packed.ms:.2f} ms"
    if speed.doubt:
        return f"speed        {speed.where}: no figure, {speed.doubt} (seen: {seen})"
    ratio = f": {speed.ratio}" if speed.ratio else ""
    wall = ""
    if packed.clock == "cpu":
        wall = f"; median wall clock {f'{dense.wall:.2f} -> ' if dense else ''}{packed.wall:.2f} ms"
    return f"speed        {speed.where}: {seen}{ratio}, {CLOCKS[packed.clock]}{wall}"
