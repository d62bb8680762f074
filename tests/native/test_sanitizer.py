"""The tests of the seam and of the operator again, on a build with the address and undefined behaviour sanitizers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def preloaded() -> str:
    """What a program without sanitizers must load first: theirs, and the C++ library whose exceptions they watch."""
    paths = []
    for name in ("libasan.so", "libstdc++.so"):
        asked = subprocess.run(["c++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        paths.append(asked.stdout.strip())
        if not Path(paths[-1]).is_absolute() or not Path(paths[-1]).exists():
            pytest.skip(f"the compiler has no {name}")
    return " ".join(paths)


@pytest.mark.parametrize("file", ["test_packed.py", "test_pattern_conv.py", "test_operator.py"])
def test_the_sanitizers_find_nothing(file, sanitizer_build):
    environment = {
        **os.environ,
        "CCT_TEST_LIBRARY": str(sanitizer_build / "libcct_ops.so"),
        "LD_PRELOAD": preloaded(),
        "ASAN_OPTIONS": "detect_leaks=0",  # of Python and ONNX Runtime there are many
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    command = [sys.executable, "-c", "import pytest; raise SystemExit(pytest.main())", "--quiet", str(HERE / file)]
    # No cache: the run around this one has it. Memory is not measured, since the sanitizer takes terabytes itself.
    # No capture: a finding ends the process, and is printed as it does.
    command += ["-p", "no:cacheprovider", "--capture=no", "-k", "not memory and not scratch"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=HERE.parents[1])
    assert done.returncode == 0, done.stdout + done.stderr
