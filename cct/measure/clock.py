"""What a run took: on the wall, of a thread's processor time, and how long threads waited for a core."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_TASKS = Path("/proc/self/task")


@dataclass(frozen=True)
class Turn:
    """Runs of one model that follow each other.

    Attributes:
        cpu: milliseconds of processor time of the thread that calls, one a run.
        wall: milliseconds on the wall, likewise.
        waited: milliseconds of all runs together in which the thread that waited longest for a core had none.
    """

    cpu: tuple[float, ...]
    wall: tuple[float, ...]
    waited: float


def take_turn(run: Callable[[], object], milliseconds: float, fewest: int = 2) -> Turn:
    """Call `run` again and again.

    Args:
        run: what is timed.
        milliseconds: how long on the wall; the last run may end later.
        fewest: runs, however long they take.
    """
    cpu: list[float] = []
    wall: list[float] = []
    before = _waits()
    start = time.perf_counter()
    end = start + milliseconds / 1e3
    while len(wall) < fewest or start < end:
        thread = time.thread_time()
        run()
        spent, now = time.thread_time() - thread, time.perf_counter()
        cpu.append(spent * 1e3)
        wall.append((now - start) * 1e3)
        start = now
    after = _waits()
    if after:
        waited = max(0.0, *(wait - before.get(thread, wait) for thread, wait in after.items()))
    else:  # no system that counts: the calling thread computes or spins all the time, unless it waits for a core
        waited = max(0.0, sum(wall) - sum(cpu))
    return Turn(tuple(cpu), tuple(wall), waited)


def _waits() -> dict[str, float]:
    """Milliseconds that each thread of this process has waited for a core so far; empty where Linux does not count."""
    waits = {}
    try:
        threads = os.listdir(_TASKS)
    except OSError:
        return {}
    for thread in threads:
        try:
            ran, waited, _ = map(int, (_TASKS / thread / "schedstat").read_bytes().split())
        except (OSError, ValueError):  # it has ended, or the kernel has no such file
            continue
        if ran:  # else the kernel does not count, or it is a thread that never ran
            waits[thread] = waited / 1e6
    return waits
