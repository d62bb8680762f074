"""CPUs of this kind that lack AVX-512 or AVX, as QEMU emulates them: which ISA row runs, and that it is right."""

from __future__ import annotations

import platform
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.native.cpu.boundaries import KERNELS, boundary_grid, same_bits
from tests.native.cpu.emulator import Emulator, written
from tests.native.native_binding import ISAS
from tests.support.cases import Case, draw_packed, draw_values
from tests.support.tools import missing

if platform.machine() != "x86_64":
    pytest.skip("these are CPUs for x86-64", allow_module_level=True)
if not shutil.which("qemu-x86_64"):
    missing("no qemu-x86_64 (Debian: qemu-user) to run programs with")

HAS = {"Nehalem": ["generic"], "Haswell": ["avx2", "generic"]}  # best first
INSTRUCTIONS = {"avx2": "vpxor %ymm0, %ymm0, %ymm0", "avx512": "vpxord %zmm0, %zmm0, %zmm0"}


@pytest.fixture(scope="session", params=HAS)
def cpu(request: pytest.FixtureRequest) -> str:
    said = subprocess.run(["qemu-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.findall(r"version (\d+)\.(\d+)", said)[0]
    if "avx2" in HAS[request.param] and tuple(map(int, version)) < (7, 2):
        pytest.skip(f"QEMU {'.'.join(version)} emulates no AVX2")
    return request.param


@pytest.fixture(scope="session")
def emulator(cpu: str, strict_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    # QEMU 7.2 reads all of a vector where a CPU reads the lanes of a mask (vmaskmovps), if any.
    beyond = 4096 if "avx2" in HAS[cpu] else 0
    return Emulator(["qemu-x86_64", "-cpu", cpu], "c++", strict_build, tmp_path_factory.mktemp(cpu), beyond)


@pytest.fixture(scope="session")
def some_cases(every_case: list[Case]) -> list[Case]:
    grid = [case for block in [(1, 1), (4, 1), (8, 1)] for kernel in KERNELS for case in boundary_grid(block, kernel)]
    return every_case[:100] + [case for case in grid if case.x.size < 3000]


@pytest.mark.parametrize("isa", INSTRUCTIONS)
def test_the_emulator_stops_at_what_the_cpu_lacks(emulator, cpu, isa, tmp_path):
    """Else the tests below would say nothing."""
    source = f'int main() {{ __asm__ volatile("{INSTRUCTIONS[isa]}"); }}'
    compiled = ["c++", "-x", "c++", "-", "-o", tmp_path / "program"]
    subprocess.run(compiled, input=source, text=True, check=True)
    done = subprocess.run([*emulator.command, tmp_path / "program"], capture_output=True)
    assert done.returncode == (0 if isa in HAS[cpu] else -signal.SIGILL)


def test_the_best_row_that_the_cpu_has_is_chosen_and_right(emulator, cpu, some_cases):
    """No name of it is told, but its bits are its own: the rows round differently."""
    best, *others = HAS[cpu]
    chosen = emulator.agree("", some_cases)
    assert all(map(same_bits, chosen, emulator.run(best, some_cases)))
    for other in others:
        assert not all(map(same_bits, chosen, emulator.agree(other, some_cases)))


@pytest.mark.parametrize("types", ["float16 weights", "float16"])
def test_float16_is_right(emulator, every_case, types):
    emulator.agree("", [case.cast(types) for case in every_case[:100]])


def test_a_row_that_the_cpu_lacks_is_refused(emulator, cpu):
    rng = np.random.default_rng(0)
    case = written(draw_values(rng, draw_packed(rng, out_channels=4, in_channels=2), (1, 2, 8, 8), {}))
    for isa in ISAS:
        for done in (emulator.start(isa, case), emulator.start("", case, CCT_ISA=isa)):
            if isa in HAS[cpu]:
                assert done.returncode == 0, done.stderr
                continue
            assert done.returncode == 1
            lines = [line for line in done.stderr.splitlines() if not line.startswith("qemu-x86_64: warning")]
            assert lines == [f"case 0: PatternConv: CCT_ISA = {isa}, but this CPU does not support it"]
