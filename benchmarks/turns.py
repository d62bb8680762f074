"""Engines take turns: only one computes at a time, all see the same machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from engines.process import EngineError, EngineProcess

FEWEST_ROUNDS = 3
TIMED_RUNS = 3
LONG_SECONDS = 0.3


@dataclass(frozen=True)
class Turns:
    """What one engine's turns took.

    Attributes:
        seconds: of every timed run.
        cpu: seconds that its threads computed in all of them.
        error: why it stopped before the end, or "".
    """

    seconds: tuple[float, ...]
    cpu: float
    error: str = ""

    def in_ms(self) -> dict[str, float]:
        """Median, first and last decile."""
        low, middle, high = (float(q) * 1e3 for q in np.quantile(self.seconds, (0.1, 0.5, 0.9)))
        return {"median": round(middle, 4), "low": round(low, 4), "high": round(high, 4), "runs": len(self.seconds)}


def timed_runs(seconds: float) -> int:
    """Timed runs of a turn, after its untimed one: fewer where one takes long."""
    return 1 if seconds > LONG_SECONDS else TIMED_RUNS


def take_turns(
    engines: Mapping[str, EngineProcess], runs: Mapping[str, int], rounds: int, limit: float
) -> dict[str, Turns]:
    """Time the engines in turns.

    Args:
        engines: loaded and warm.
        runs: timed runs in a turn of each.
        rounds: turns of each. There and back: who follows whom changes from round to round.
        limit: seconds, after which no further round starts, but for the first few.
    """
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    cpu, errors = dict.fromkeys(engines, 0.0), dict.fromkeys(engines, "")
    order = list(engines)
    start = time.perf_counter()
    for taken in range(rounds):
        if taken >= FEWEST_ROUNDS and time.perf_counter() - start > limit:
            break
        for name in order if taken % 2 == 0 else order[::-1]:
            try:
                answer = engines[name].ask("turn", runs[name])
            except EngineError as error:
                errors[name] = str(error)
                continue
            seconds[name] += answer["seconds"]
            cpu[name] += answer["cpu"]
        order = [name for name in order if not errors[name]]
    return {name: Turns(tuple(seconds[name]), cpu[name], errors[name]) for name in engines}
