"""What is freed and asked for again comes without page faults."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

ROUNDS = """
import ctypes
import resource
import torch
from cct.heap import keep_freed_memory

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: a huge page would be one fault
if KEEP:
    keep_freed_memory()
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.ones(7_000_000) for _ in range(4)]
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


def faults(keep: bool, **variables: str) -> int:
    """Of the last round."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    script = [sys.executable, "-c", ROUNDS.replace("KEEP", str(keep))]
    done = subprocess.run(script, env=own | variables, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_freed_memory_is_kept() -> None:
    returned = faults(keep=False)
    assert returned > 1000
    assert faults(keep=True) < returned / 5  # the system may take some pages away meanwhile
    assert faults(keep=True, MALLOC_ARENA_MAX="2") < returned / 5


@pytest.mark.parametrize(
    "variables",
    [{"MALLOC_TRIM_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"}],
    ids=["variable", "tunable"],
)
def test_what_the_user_has_set_stands(variables: dict[str, str]) -> None:
    assert faults(keep=True, **variables) > 1000
