"""What is freed and asked for again comes without page faults."""

from __future__ import annotations

import platform
import sys

import pytest
from process import run_command

ROUNDS = """
import resource
import torch
from cct.heap import keep_freed_memory

if KEEP:
    keep_freed_memory()
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensors = [torch.ones(size) for size in (3_000_000, 12_000_000, 1_000_000)]
    del tensors
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep: bool, **variables: str) -> int:
    """Of the last round."""
    done = run_command([sys.executable, "-c", ROUNDS.replace("KEEP", str(keep))], None, variables)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_kept() -> None:
    assert faults(keep=True) < 100
    assert faults(keep=False) > 1000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_what_the_user_has_set_stands() -> None:
    assert faults(keep=True, MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072") > 1000
