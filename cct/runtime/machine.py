"""This machine: its processor, and the cores that the process may use."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds in a period, of a container


def machine() -> str:
    """The processor and its core count, for the foot of a table."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass  # not Linux: the generic name has to do
    return f"{name}, {cores()} cores"


def cores() -> int:
    """Processor cores that this process may use: of those it is bound to, what a container's quota lets it have."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, _QUOTA.read_text().split())
    except (OSError, ValueError):  # no such group, or no quota: "max 100000"
        return bound
    return max(1, min(bound, math.ceil(quota / period)))
