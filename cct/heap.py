"""Memory that a training step has freed stays for the next one.

glibc gives large blocks back to the system and faults them in anew, page by page: up to a fifth of a step on the CPU
(`benchmarks/training_time.py`, its steps with and without).
"""

from __future__ import annotations

import ctypes
import os

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEEP = 2**30  # bytes
_LARGEST = 2**25  # bytes: what an older glibc takes at most for the second


def keep_freed_memory() -> None:
    """Tell the C library of this process so; nothing happens where it is not glibc, or where the user has told it."""
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return
    mallopt(_M_TRIM_THRESHOLD, _KEEP)
    if not mallopt(_M_MMAP_THRESHOLD, _KEEP):
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
