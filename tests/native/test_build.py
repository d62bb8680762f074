"""What the compiler made: exported names, and nothing of one ISA row that another could run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.native.native_binding import ISAS, PATH
from tests.support.tools import missing

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "cct" / "native"
HEADERS = (NATIVE / "cpu" / "pattern_conv.h", NATIVE / "cuda" / "cuda_conv.h")

if not shutil.which("nm"):
    missing("no nm to read symbols with")


def symbols(*arguments: object, nm: str = "nm") -> list[str]:
    command = [nm, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def exports_the_entry_point_and_the_c_api(library: object, nm: str) -> None:
    exported = {line.split()[-1] for line in symbols("-D", "--defined-only", library, nm=nm)}
    text = "\n".join(header.read_text() for header in HEADERS)
    declared = set(re.findall(r"^[\w* ]+?\*?\b(cct_\w+)\(", text, re.MULTILINE))
    assert len(declared) == 20
    assert exported == {"RegisterCustomOps"} | declared


def test_only_the_entry_point_and_the_c_api_are_exported():
    exports_the_entry_point_and_the_c_api(PATH, "nm")


def test_only_the_entry_point_and_the_c_api_are_exported_for_aarch64(aarch64_build):
    exports_the_entry_point_and_the_c_api(aarch64_build / "libcct_ops.so", "aarch64-linux-gnu-nm")


def test_neither_onnxruntime_nor_cuda_is_linked():
    needed = [line for line in symbols("-D", "--undefined-only", PATH) if re.search(r"Ort| cu[A-Z]| cuda", line)]
    assert needed == []


def shares_no_code(isa: str, built: Path, nm: str) -> None:
    """The linker keeps one copy of a weak symbol: it could be one that this CPU does not run."""
    (compiled,) = built.glob(f"CMakeFiles/cct_routine_{isa}.dir/**/*.o")
    lines = symbols("-C", "--defined-only", compiled, nm=nm)
    assert any(f"cct::{isa}::routine" in line for line in lines)
    assert [line for line in lines if re.search(r" [WVuwv] ", line)] == []
    assert [line for line in lines if re.search(r" [TDBR] ", line) and f"cct::{isa}::" not in line] == []


@pytest.mark.parametrize("isa", ISAS)
def test_a_row_shares_no_code_with_the_others(isa, strict_build):
    shares_no_code(isa, strict_build, "nm")


@pytest.mark.parametrize("isa", ["neon", "generic"])
def test_a_row_for_aarch64_shares_no_code_with_the_others(isa, aarch64_build):
    shares_no_code(isa, aarch64_build, "aarch64-linux-gnu-nm")


def test_elsewhere_the_build_installs_nothing_and_says_so(tmp_path):
    cmake = shutil.which("cmake")
    if not cmake:
        missing("no cmake")
    configure = [cmake, "-S", str(NATIVE), "-B", str(tmp_path / "b"), "-DCMAKE_SYSTEM_NAME=Linux",
                 "-DCMAKE_SYSTEM_PROCESSOR=riscv64"]  # fmt: skip
    done = subprocess.run(configure, capture_output=True, text=True, check=True)
    assert len(re.findall("no operator library for Linux riscv64", done.stdout)) == 1
    subprocess.run([cmake, "--build", str(tmp_path / "b")], capture_output=True, check=True)
    install = [cmake, "--install", str(tmp_path / "b"), "--prefix", str(tmp_path / "i")]
    subprocess.run(install, capture_output=True, check=True)
    assert not list(tmp_path.glob("i/**/*.so"))
