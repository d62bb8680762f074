"""Engines take turns: only one computes at a time, all see the same machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.engines.process import EngineError, EngineProcess
from cct.measure.clock import Turn

FEWEST_ROUNDS = 8  # for an interval
SHORTEST = 0.005  # seconds of a turn
TIMED_RUNS = 2  # of the slowest engine in a turn
LONG_SECONDS = 0.3


@dataclass(frozen=True)
class Turns:
    """What one engine's turns took.

    Attributes:
        taken: one a round, as `cct.measure.ratio` takes them.
        error: why it stopped before the end, or "".
    """

    taken: tuple[Turn, ...]
    error: str = ""

    @property
    def wall(self) -> list[float]:
        """Milliseconds of every timed run."""
        return [ms for turn in self.taken for ms in turn.wall]

    @property
    def cores_used(self) -> float:
        """CPU time of the process / time on the wall, of the timed runs."""
        return sum(ms for turn in self.taken for ms in turn.cpu) / sum(self.wall)


def timed_runs(seconds: Mapping[str, float]) -> dict[str, int]:
    """Timed runs in a turn of each engine, after its untimed one, so that turns are of about equal length.

    Args:
        seconds: of one run of each.
    """
    slowest = max(seconds.values())
    length = max(SHORTEST, slowest * (1 if slowest > LONG_SECONDS else TIMED_RUNS))
    return {name: max(1, round(length / taken)) for name, taken in seconds.items()}


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
    taken: dict[str, list[Turn]] = {name: [] for name in engines}
    errors = dict.fromkeys(engines, "")
    order = list(engines)
    start = time.perf_counter()
    for done in range(rounds):
        if done >= FEWEST_ROUNDS and time.perf_counter() - start > limit:
            break
        for name in order if done % 2 == 0 else order[::-1]:
            try:
                answer = engines[name].ask("turn", runs[name])
            except EngineError as error:
                errors[name] = str(error)
                continue
            cpu, wall = (tuple(1e3 * seconds for seconds in answer[clock]) for clock in ("cpu", "seconds"))
            taken[name].append(Turn(cpu, wall, 1e3 * answer["waited"]))
        order = [name for name in order if not errors[name]]
    return {name: Turns(tuple(taken[name]), errors[name]) for name in engines}
