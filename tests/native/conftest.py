"""Builds of the library beside the installed one, kept in build/ so that only the first run takes time."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.native.cuda.host import compile_mock, write_fake_nvcc
from tests.native.native_binding import PATH
from tests.support.cases import Case, cases
from tests.support.tools import missing, one_maker

ROOT = Path(__file__).parents[2]


def build(name: str, *options: str) -> Path:
    """Folder of a CMake build of cct/native that is up to date."""
    beside = shutil.which("cmake", path=str(Path(sys.executable).parent))
    cmake = beside or shutil.which("cmake")
    if not cmake:
        missing("no cmake to build the library with")
    with one_maker(name) as folder:
        for command in (
            [cmake, "-S", ROOT / "cct" / "native", "-B", folder, "-DCCT_WERROR=ON", *options],
            [cmake, "--build", folder, "--parallel", "2"],
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def strict_build() -> Path:
    """With every warning an error, and without CUDA."""
    return build("native-strict", "-DCCT_CUDA=OFF")


@pytest.fixture(scope="session")
def fake_nvcc() -> Path:
    """What makes a library with CUDA routines, all but the kernels, on machines without nvcc."""
    with one_maker("fake-nvcc") as folder:
        program, current = folder / "nvcc", write_fake_nvcc(folder / "nvcc.new")
        if not program.exists() or program.read_bytes() != current.read_bytes():
            current.replace(program)  # at once: others may be running it
        return program


@pytest.fixture(scope="session")
def cuda_library(fake_nvcc: Path) -> Path:
    """A library with CUDA routines: the installed one, if it has them."""
    if ctypes.CDLL(PATH).cct_cuda_build():
        return Path(PATH)
    return build("native-cuda", f"-DCCT_NVCC={fake_nvcc}") / "libcct_ops.so"


@pytest.fixture(scope="session")
def sanitizer_build(fake_nvcc: Path) -> Path:
    """With the address and undefined behaviour sanitizers."""
    return build("native-sanitizer", "-DCCT_SANITIZE=ON", f"-DCCT_NVCC={fake_nvcc}")


@pytest.fixture(scope="session")
def mock_driver() -> Path:
    """A libcuda.so.1 that runs kernels on the CPU."""
    return compile_mock()


@pytest.fixture(scope="session")
def aarch64_build() -> Path:
    """For another CPU."""
    compiler = "aarch64-linux-gnu-g++"
    if not shutil.which(compiler):
        missing(f"no {compiler} (Debian: g++-aarch64-linux-gnu) to compile for aarch64 with")
    target = ("-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64", f"-DCMAKE_CXX_COMPILER={compiler}")
    return build("native-aarch64", "-DCCT_CUDA=OFF", *target)


@pytest.fixture(scope="session")
def sanitizer_environment(sanitizer_build: Path) -> dict[str, str]:
    """Environment of a program without sanitizers that is to load the library with them."""
    paths = []
    for name in ("libasan.so", "libstdc++.so"):  # theirs comes first, and the C++ library whose exceptions they watch
        asked = subprocess.run(["c++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
        paths.append(asked.stdout.strip())
        if not Path(paths[-1]).is_absolute() or not Path(paths[-1]).exists():
            missing(f"the compiler has no {name}")
    return {
        **os.environ,
        "CCT_TEST_LIBRARY": str(sanitizer_build / "libcct_ops.so"),
        "LD_PRELOAD": " ".join(paths),
        "ASAN_OPTIONS": "detect_leaks=0",  # of Python and ONNX Runtime there are many
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


@pytest.fixture(scope="session")
def many_cores(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], dict[str, str]]:
    """Environment of a program that is to believe in so many cores, as a function (many_cores.c)."""
    if not shutil.which("cc"):
        missing("no C compiler to pretend to have many cores with")
    library, here = tmp_path_factory.mktemp("cores") / "many_cores.so", Path(__file__).parent
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, here / "many_cores.c", "-ldl"], check=True)
    changed = {"LD_PRELOAD": str(library), "PYTHONPATH": str(here.parents[1])}
    return lambda cores: {**os.environ, **changed, "CCT_TEST_CORES": str(cores)}


@pytest.fixture(scope="session")
def every_case() -> list[Case]:
    """What hypothesis draws, together: an emulator takes longer to start than to run a case."""
    drawn: list[Case] = []

    @settings(
        max_examples=300, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(cases())
    def draw(case: Case) -> None:
        drawn.append(case)

    draw()
    return drawn
