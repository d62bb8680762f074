"""Random convolutions at the ends of what is allowed, between pages that nobody may touch: try_extremes.py.

CCT_EXTREMES=10000 CCT_EXTREMES_SEED=1 pytest tests/native/cpu/test_extremes.py         # others, and more
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "try_extremes.py"
COUNT, SEED = int(os.environ.get("CCT_EXTREMES", "240")), int(os.environ.get("CCT_EXTREMES_SEED", "0"))


@pytest.mark.parametrize("cores", [1, 7, 64])  # a plan cuts images for those of the machine
def test_random_cases_agree_on_machines_of_many_cores(many_cores, cores):
    command = [sys.executable, str(SCRIPT), str(3 * SEED + cores), str(COUNT // 3)]
    environment = {**many_cores(cores), "CCT_TEST_CACHE": "1"}  # the least that plans assume: long rows are cut
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) == COUNT // 3
