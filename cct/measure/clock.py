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
        cpu: milliseconds of processor time of the calling thread, one a run.
        wall: milliseconds on the wall, likewise.
        waited: milliseconds that the process's threads were ready to run and had no core, in all runs together; None
            where the system does not say.
    """

    cpu: tuple[float, ...]
    wall: tuple[float, ...]
    waited: float | None


def take_turn(run: Callable[[], object], milliseconds: float, fewest: int = 2) -> Turn:
    """Call `run` again and again.

    Args:
        run: what is timed.
        milliseconds: how long on the wall; the last run may end later.
        fewest: runs, however long they take.
    """
    cpu: list[float] = []
    wall: list[float] = []
    before = _waited()
    start = time.perf_counter()
    end = start + milliseconds / 1e3
    while len(wall) < fewest or start < end:
        thread = time.thread_time()
        run()
        spent, now = time.thread_time() - thread, time.perf_counter()
        cpu.append(spent * 1e3)
        wall.append((now - start) * 1e3)
        start = now
    after = _waited()
    waited = None if before is None or after is None else max(0.0, after - before)
    return Turn(tuple(cpu), tuple(wall), waited)


def _waited() -> float | None:
    """Milliseconds that the threads of this process have waited for a core so far; Linux counts them.

    A thread that has ended takes its share along, so that a difference may be too small, never too large.
    """
    total, found = 0, False
    try:
        threads = os.listdir(_TASKS)
    except OSError:
        return None
    for thread in threads:
        try:
            total += int((_TASKS / thread / "schedstat").read_bytes().split()[1])
            found = True
        except (OSError, IndexError, ValueError):  # it has ended, or the kernel does not count
            continue
    return total / 1e6 if found else None
