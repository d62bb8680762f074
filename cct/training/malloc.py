"""Memory that a training step has freed stays for the next one, in blocks of up to 32 MiB.

glibc gives large blocks back to the system and faults them in anew, page by page: 5 to 25 % of a step of ResNet-20.
`python -m benchmarks.training --part steps` shows it, run with and without `--return-memory`.
"""

from __future__ import annotations

import ctypes
import os

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT = 2**30  # bytes that may lie unused at the end of the heap
_LARGEST = 2**25  # bytes of a block: the most that mallopt takes; larger ones go back as ever
_USERS = ("trim_threshold", "mmap_threshold", "mmap_max", "top_pad")  # glibc's names of what would be overruled


def keep_freed_memory() -> None:
    """Tell the C library of this process so; nothing happens where it is not glibc, or where the user has told it."""
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if any(f"MALLOC_{name.upper()}_" in os.environ or f"glibc.malloc.{name}" in tunables for name in _USERS):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return
    mallopt(_M_TRIM_THRESHOLD, _KEPT)
    mallopt(_M_MMAP_THRESHOLD, _LARGEST)
