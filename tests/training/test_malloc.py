"""What is freed stays with the process."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

BLOCK, BLOCKS = 30 * 2**20, 4  # bytes; number
ALL = BLOCK * BLOCKS

LEFT = f"""
import ctypes
import os
import torch
from cct.training.malloc import keep_freed_memory

def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

if KEEP:
    keep_freed_memory()
torch.set_num_threads(1)  # the system counts pages by thread, and adds up when it comes to it
ctypes.CDLL(None).malloc_trim(0)
before = resident()
blocks = [torch.ones({BLOCK} // 4) for _ in range({BLOCKS})]
assert resident() - before > {ALL} * 3 // 4
del blocks
print(resident() - before)
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


def left(keep: bool, **variables: str) -> int:
    """Bytes of the blocks that are still there after they were freed."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    script = [sys.executable, "-c", LEFT.replace("KEEP", str(keep))]
    done = subprocess.run(script, env=own | variables, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_freed_memory_is_kept() -> None:
    assert left(keep=False) < ALL // 4
    assert left(keep=True) > ALL * 3 // 4
    assert left(keep=True, MALLOC_ARENA_MAX="2") > ALL * 3 // 4


@pytest.mark.parametrize(
    "variables",
    [{"MALLOC_TRIM_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"}],
    ids=["variable", "tunable"],
)
def test_what_the_user_has_set_stands(variables: dict[str, str]) -> None:
    assert left(keep=True, **variables) < ALL // 4
