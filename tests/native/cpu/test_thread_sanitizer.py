"""ThreadSanitizer on threads that share a convolution: it finds nothing, and it does find a lock that is missing.

The library's objects are linked into a program of our own, since Python and ONNX Runtime are not built for it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.native.conftest import build
from tests.native.native_binding import SUPPORTED
from tests.support.tools import missing

HERE = Path(__file__).parent
NATIVE = HERE.parents[2] / "cct" / "native"
FLAGS = ["-std=c++17", "-O1", "-g", "-fsanitize=thread", "-fPIC", "-pthread"]


def compile_or_link(*arguments: object, sources: Path = NATIVE) -> None:
    done = subprocess.run(["c++", *FLAGS, f"-I{sources}", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of the library and of the program."""
    folder = tmp_path_factory.mktemp("threads")
    (folder / "empty.cpp").write_text("int main() {}")
    command = ["c++", "-fsanitize=thread", folder / "empty.cpp", "-o", folder / "empty"]
    if not shutil.which("c++") or subprocess.run(command, capture_output=True).returncode:
        missing("no compiler with ThreadSanitizer")
    if subprocess.run([folder / "empty"], capture_output=True).returncode:
        pytest.skip("ThreadSanitizer does not run on this kernel")
    library = build("native-thread-sanitizer", "-DCCT_SANITIZE_THREADS=ON", "-DCCT_CUDA=OFF")
    compile_or_link("-c", HERE / "share_plans.cpp", "-o", folder / "share_plans.o")
    return [*library.glob("CMakeFiles/cct_*/**/*.o"), folder / "share_plans.o"]


def share_plans(program: Path, isa: str, rounds: int) -> subprocess.CompletedProcess[str]:
    command = [str(program), isa, str(rounds), "0"]
    environment = {"TSAN_OPTIONS": "halt_on_error=1:exitcode=66"}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def link(objects: Sequence[Path], program: Path) -> Path:
    compile_or_link(*objects, "-ldl", "-o", program)
    return program


def test_threads_that_share_a_convolution_do_not_race(objects, tmp_path):
    program = link(objects, tmp_path / "share_plans")
    for isa in SUPPORTED:
        done = share_plans(program, isa, 4)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", [0, 1])
def test_a_lock_that_is_missing_is_found(objects, tmp_path, missing):
    sources = tmp_path / "native"
    shutil.copytree(NATIVE, sources)
    header = sources / "cpu" / "known_plans.h"
    lock = "const std::lock_guard<std::mutex> lock(mutex_);"
    parts = header.read_text().split(lock)
    assert len(parts) == 3
    locks = [lock, lock]
    locks[missing] = ""
    header.write_text(parts[0] + locks[0] + parts[1] + locks[1] + parts[2])
    changed = {}
    for source in sources.glob("cpu/*.cpp"):
        if "known_plans.h" in source.read_text():
            changed[f"{source.name}.o"] = tmp_path / f"{source.name}.o"
            compile_or_link("-c", source, "-o", changed[f"{source.name}.o"], sources=sources)
    assert len(changed) == 2
    done = share_plans(link([changed.get(o.name, o) for o in objects], tmp_path / "share_plans"), SUPPORTED[0], 4)
    assert done.returncode == 66, done.stderr
    assert "ThreadSanitizer: data race" in done.stderr
    assert "KnownPlans" in done.stderr
