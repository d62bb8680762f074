"""Forged weights and sizes for the CUDA routines, on a build with the sanitizers: an error or tables, nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
COUNT, SEED = int(os.environ.get("CCT_FORGED", 2000)), int(os.environ.get("CCT_FORGED_SEED", 0))


def test_forged_weights_are_an_error_or_tables(sanitizer_build, sanitizer_environment, mock_driver):
    """A GPU would read out of bounds without a word; here the host must not make such tables."""
    library = sanitizer_build / "libcct_ops.so"
    command = [sys.executable, "-m", "tests.native.cuda.try_forged_cuda", library, mock_driver, str(COUNT), str(SEED)]
    options = "allocator_may_return_null=1:max_allocation_size_mb=256:hard_rss_limit_mb=3000:quarantine_size_mb=32"
    environment = sanitizer_environment | {
        "ASAN_OPTIONS": f"{sanitizer_environment['ASAN_OPTIONS']}:{options}",
        "CCT_MOCK_RUN": "0",
        "PYTHONPATH": str(TESTS.parent),
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-5000:]
    outcomes = json.loads(done.stdout.splitlines()[-1])
    assert sum(outcomes.values()) == COUNT
    for outcome in ("refused", "run"):  # else nothing was tried
        assert outcomes.get(outcome, 0) > COUNT // 20
