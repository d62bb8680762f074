"""The rows for aarch64, cross-compiled and run by QEMU, on the cases of the other rows."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import EPS, TYPES, Case, cases, draw_packed, draw_values
from hypothesis import HealthCheck, Phase, given, settings
from native.seam import DTYPES, Arguments, float_type
from numpy.typing import NDArray

HERE = Path(__file__).parent
SAME = {"pads": (1, 1, 1, 1)}
ISAS = ("neon", "generic")
rows = pytest.mark.parametrize("isa", ISAS)
every_type = pytest.mark.parametrize("types", TYPES)


class Emulator:
    """Runs cases with the library of another CPU, many in one process."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._folder, self._program = folder, folder / "run_cases"
        command = ["aarch64-linux-gnu-g++", "-std=c++17", "-O1", "-pthread", f"-I{HERE.parents[1] / 'cct' / 'native'}"]
        command += [HERE / "run_cases.cpp", f"-L{library}", "-lcct_ops", f"-Wl,-rpath,{library}", "-o", self._program]
        subprocess.run(command, check=True)

    def start(self, isa: str, content: bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        """The program's end; its outputs are in a file."""
        (self._folder / "cases").write_bytes(content)
        command = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", self._program, isa]
        command += [self._folder / "cases", self._folder / "outputs"]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def run(self, isa: str, some: Iterable[Case]) -> list[NDArray[Any]]:
        """Y of each case; run_cases.cpp says what fails."""
        some = list(some)
        done = self.start(isa, b"".join(map(written, some)))
        assert done.returncode == 0, done.stderr
        content, outputs = (self._folder / "outputs").read_bytes(), []
        for case in some:
            count = int(np.frombuffer(content, "i8", 1)[0])
            outputs.append(np.frombuffer(content[8 : 8 + count], case.x.dtype).reshape(case.expected().shape))
            content = content[8 + count :]
        assert not content
        return outputs


def written(case: Case) -> bytes:
    """A case as run_cases.cpp reads it."""
    stated = Arguments.of(case.packed, case.bias, **case.geometry, **case.clip)
    struct = stated.struct()  # fills in the types
    arrays: list[Any] = [
        np.array(list(getattr(stated, name)), "i8")
        for name in ("kernel_shape", "strides", "pads", "dilations", "pool", "block")
    ]
    scalars = ("group", "in_channels", "out_channels", "entries", "type", "weight_type")
    arrays += [np.array([getattr(struct, name) for name in scalars], "i8")]
    arrays += [np.array([stated.clip_min, stated.clip_max], "f4")]
    for name in ("W", *DTYPES, "B"):
        arrays += [np.array(stated.arrays[name].shape, "i8"), stated.arrays[name]]
    arrays += [np.array(case.x.shape, "i8"), case.x, np.zeros(0) if case.z is None else case.z]
    assert case.x.dtype == float_type(case.x)
    return b"".join(np.int64(array.nbytes).tobytes() + array.tobytes() for array in arrays)


@pytest.fixture(scope="session")
def emulator(aarch64_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    if not shutil.which("qemu-aarch64"):
        pytest.skip("no qemu-aarch64 (Debian: qemu-user) to run aarch64 programs with")
    return Emulator(aarch64_build, tmp_path_factory.mktemp("aarch64"))


def agree(emulator: Emulator, isa: str, some: list[Case], factor: float = 8 * EPS) -> None:
    for number, (case, got) in enumerate(zip(some, emulator.run(isa, some), strict=True)):
        assert (abs(got - case.expected()) <= case.bound(factor)).all(), f"case {number}: {case}"


@pytest.fixture(scope="session")
def every_case() -> list[Case]:
    """What hypothesis draws, together: the emulator takes longer to start than to run a case."""
    drawn: list[Case] = []

    @settings(
        max_examples=300, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(cases())
    def draw(case: Case) -> None:
        drawn.append(case)

    draw()
    return drawn


@rows
@every_type
def test_every_case_agrees(emulator, every_case, isa, types):
    agree(emulator, isa, [case.cast(types) for case in every_case])


@rows
@every_type
def test_image_sizes_agree(emulator, isa, types):
    """Read in place, packed with each way to split columns, and cut into bands."""
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=11, in_channels=6, keep=0.6)
    sizes = [(3, 3), (7, 7), (8, 9), (14, 14), (15, 16), (17, 31), (28, 28), (57, 40), (3, 200)]
    some = [
        draw_values(rng, packed, (2, 6, *size), {"pads": pads, "strides": (stride, stride)}, act, residual=True)
        for size, stride, pads, act in itertools.product(sizes, (1, 2, 3), [(0,) * 4, (1,) * 4], ("clip",))
    ]
    for shape in [(1, 40, 90, 90), (9, 40, 30, 30), (12, 8, 5, 5), (3, 160, 20, 20)]:
        wide = draw_packed(rng, out_channels=9, in_channels=shape[1], keep=0.4)
        some.append(draw_values(rng, wide, shape, SAME, "relu", residual=True))
    agree(emulator, isa, [case.cast(types) for case in some])


@rows
def test_values_whose_errors_add_up_agree(emulator, isa):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=16, in_channels=64, keep=0.6)
    case = draw_values(rng, packed, (1, 64, 13, 13), SAME)
    for array in (case.x, packed.W, case.bias):
        array[...] = abs(array)
    agree(emulator, isa, [case], factor=case.products * 2.0**-24)


@rows
@pytest.mark.parametrize("types", ["float32", "float16"])
def test_nan_and_infinity_pass_the_clip(emulator, isa, types):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=1, in_channels=1, kernel=(1, 1), entries=1, block=(1, 1), keep=1)
    packed.W[...] = 1
    some = [draw_values(rng, packed, (1, 1, 5, 7), {}, act).cast(types) for act in ("none", "relu", "clip")]
    for case in some:
        case.bias[...] = 0
        case.x[0, 0, 1, 1:6] = np.nan, np.inf, -np.inf, 0, -0.0
    for case, got in zip(some, emulator.run(isa, some), strict=True):
        np.testing.assert_array_equal(got, case.expected())


@rows
def test_every_float16_passes_unchanged(emulator, isa):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=1, in_channels=1, kernel=(1, 1), entries=1, block=(1, 1), keep=1)
    packed.W[...] = 1
    case = draw_values(rng, packed, (1, 1, 256, 256), {}).cast("float16")
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(case.x.shape)
    case = replace(case, x=every, bias=np.full(1, -0.0, np.float16))
    (got,) = emulator.run(isa, [case])
    np.testing.assert_array_equal(got, every)
    assert (np.signbit(got) == np.signbit(every))[~np.isnan(every)].all()


def test_the_rows_best_first(emulator):
    assert emulator.start("", b"").stdout.split() == list(ISAS)


def test_rows_of_another_architecture_are_refused(emulator):
    case = written(
        draw_values(
            np.random.default_rng(0),
            draw_packed(np.random.default_rng(0), out_channels=4, in_channels=2),
            (1, 2, 8, 8),
            {},
        )
    )
    for done in (emulator.start("avx2", case), emulator.start("", case, CCT_ISA="avx2")):
        assert done.returncode == 1
        assert "CCT_ISA = avx2 is unknown or not compiled into this library, which has neon, generic" in done.stderr
    for isa in ("", *ISAS):
        assert emulator.start("", case, CCT_ISA=isa).returncode == 0
