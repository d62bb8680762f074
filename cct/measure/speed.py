"""`measure_speed`: packed against dense, as compress and validate tell it."""

from __future__ import annotations

from pathlib import Path

from cct.machine import cores
from cct.measure.interleaved import compare
from cct.timing import Speed


def measure_speed(dense: Path | None, packed: Path, provider: str = "cpu", rounds: int = 20) -> list[Speed]:
    """Packed against dense in one run, one image, with one thread and with as many as there are cores."""
    models = {"packed": packed} if dense is None else {"dense": dense, "packed": packed}
    speed = []
    for threads in sorted({1, cores()}):
        timings = compare(models, threads=threads, provider=provider, rounds=rounds)
        ratio = timings.ratios.get("packed")
        doubt = timings.doubt or (ratio.doubt if ratio else "")
        speed.append(Speed(threads, timings.models.get("dense"), timings.models["packed"], ratio, doubt))
    return speed
