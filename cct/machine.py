"""This machine: its processor, and the cores that the process may use."""

from __future__ import annotations

import os
import platform
from pathlib import Path


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
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
