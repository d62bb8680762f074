"""Builds of the library beside the installed one, kept in build/ so that only the first run takes time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(name: str, *options: str) -> Path:
    """Folder of a CMake build of cct/native that is up to date."""
    beside = shutil.which("cmake", path=str(Path(sys.executable).parent))
    cmake = beside or shutil.which("cmake")
    if not cmake:
        pytest.skip("no cmake to build the library with")
    folder = ROOT / "build" / name
    for command in (
        [cmake, "-S", ROOT / "cct" / "native", "-B", folder, "-DCCT_WERROR=ON", *options],
        [cmake, "--build", folder, "--parallel", "2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def strict_build() -> Path:
    """With every warning an error."""
    return build("native-strict")


@pytest.fixture(scope="session")
def sanitizer_build() -> Path:
    """With the address and undefined behaviour sanitizers."""
    return build("native-sanitizer", "-DCCT_SANITIZE=ON")
