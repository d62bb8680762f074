"""`compare_turns`: how many times faster, and whether this machine was quiet enough to say so.

Every ratio of whole models' times that cct prints is made here.

- **Clock.** With one thread a run is timed by the thread's processor time: on a busy machine a long run is interrupted
  more often than a short one, so the wall clock makes the shorter one look faster than it is. With several threads, and
  on a GPU, only the wall clock tells.
- **Figure.** The 5th percentile of all runs of a model, and the ratio of two of these. Whatever disturbs a run, also
  one that keeps its core (cold caches after an interruption, a lower clock), only adds; the least run may be luck.
- **Interval.** Turns are drawn again and again, with replacement and in pairs, and the ratio is taken anew: 95 % of
  these ratios lie within (the percentile bootstrap; Efron 1979).
- **No figure** where the interval reaches further from the ratio than the effect (5 % at least, 12.5 % at most), where
  turns are too few for an interval, or where by the wall clock a thread waited for a core too long. What was seen is
  told instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cct.measure.clock import Turn
from cct.report.timing import Ratio, Timing, Timings
from cct.runtime.machine import cores

LOW, HIGH = 0.05, 0.95  # quantiles
LEAST_TOLERANCE, MOST_TOLERANCE = 0.05, 0.125  # of the ratio
MOST_WAITED = 0.1  # of the time, by the thread that waited longest: a parallel section ends with its slowest thread
FEWEST_TURNS = 8  # for the interval to hold what it says, nearly
_DRAWS = 200
_PART = 0.95

_Runs = NDArray[np.float64]  # milliseconds of each run of a turn


def compare_turns(turns: Mapping[str, Sequence[Turn]], threads: int, clock: str) -> Timings:
    """Judge the turns of models that took them together.

    Args:
        turns: of each model, as many of each, of about the same length; the first is what the others are compared with.
        threads: that a model computes with.
        clock: "cpu" or "wall".
    """
    (first, reference), *others = turns.items()
    timings = {name: _timing(taken, clock) for name, taken in turns.items()}
    doubt = _doubt_of_all(timings, threads, clock)
    ratios = {}
    for name, taken in others:
        value = timings[first].ms / timings[name].ms if timings[name].ms else math.nan
        low, high = _interval(_runs(reference, clock), _runs(taken, clock))
        ratios[name] = Ratio.of(value, low, high, doubt or _doubt(value, low, high, len(reference)))
    return Timings(timings, ratios, doubt)


def undisturbed(values: Sequence[float] | _Runs) -> float:
    """What a run takes when little disturbs it."""
    # Weibull's plotting positions: of few runs and of many the same quantile is expected.
    return float(np.quantile(values, LOW, method="weibull"))


def _timing(turns: Sequence[Turn], clock: str) -> Timing:
    taken = np.concatenate(_runs(turns, clock))
    wall = np.concatenate(_runs(turns, "wall"))
    waited = sum(turn.waited for turn in turns) / float(wall.sum()) if wall.any() else 0.0
    median, high = (float(q) for q in np.quantile(taken, (0.5, HIGH), method="weibull"))
    return Timing(clock, undisturbed(taken), median, high, float(np.median(wall)), waited, len(taken))


def _runs(turns: Sequence[Turn], clock: str) -> list[_Runs]:
    return [np.array(turn.cpu if clock == "cpu" else turn.wall) for turn in turns]


def _interval(first: Sequence[_Runs], other: Sequence[_Runs]) -> tuple[float, float]:
    """Of the ratio, over draws of turns."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(_DRAWS):
        drawn = rng.integers(0, len(first), len(first))
        ours = undisturbed(np.concatenate([other[i] for i in drawn]))
        ratios.append(undisturbed(np.concatenate([first[i] for i in drawn])) / ours if ours else math.nan)
    low, high = np.quantile(ratios, ((1 - _PART) / 2, (1 + _PART) / 2))
    return float(low), float(high)


def _doubt_of_all(timings: Mapping[str, Timing], threads: int, clock: str) -> str:
    """Why none of the times is a figure."""
    if not all(timing.ms > 0 for timing in timings.values()):
        return "a run takes less time than the clock can tell"
    if clock == "cpu":
        return ""
    if threads > cores():
        return f"{threads} threads are more than the {cores()} cores here"
    waited = max(timing.waited for timing in timings.values())
    if waited > MOST_WAITED:
        return f"the machine is too busy: a thread waited {waited:.0%} of the time for a core"
    return ""


def _doubt(value: float, low: float, high: float, turns: int) -> str:
    if turns < FEWEST_TURNS:
        return f"{turns} turns are too few for a ratio: {FEWEST_TURNS} at least"
    if not (math.isfinite(low) and math.isfinite(high)):
        return "a run takes less time than the clock can tell"
    tolerance = min(MOST_TOLERANCE, max(LEAST_TOLERANCE, abs(value - 1)))
    if max(high - value, value - low) > tolerance * value:
        return f"the machine is too busy: the ratio lies anywhere from {low:.2f} to {high:.2f}"
    return ""
