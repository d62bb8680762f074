"""The tests of the C API and of the operator again, on a build with the address and undefined behaviour sanitizers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


FILES = [
    "format/test_packed.py",
    "cpu/test_pattern_conv.py",
    "cpu/test_lanes.py",
    "cpu/test_strips.py",
    "cpu/test_weight_gradient.py",
    "ort/test_operator.py",
]


@pytest.mark.parametrize("file", FILES)
def test_the_sanitizers_find_nothing(file, sanitizer_environment):
    command = [sys.executable, "-c", "import pytest; raise SystemExit(pytest.main())", "--quiet", str(HERE / file)]
    # No cache: the run around this one has it. Memory is not measured, since the sanitizer takes terabytes itself.
    # No capture: a finding ends the process, and is printed as it does. Without the grids, which take long.
    without = "not memory and not scratch and not sizes_around and not every_machine"
    command += ["-p", "no:cacheprovider", "--capture=no", "-k", without]
    done = subprocess.run(command, env=sanitizer_environment, capture_output=True, text=True, cwd=HERE.parents[1])
    assert done.returncode == 0, done.stdout + done.stderr
