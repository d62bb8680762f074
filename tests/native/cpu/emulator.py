"""Runs cases with the library on a CPU that this machine lacks: run_cases.cpp under QEMU."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.native.native_binding import DTYPES, Arguments, float_type
from tests.support.cases import EPS, Case
from tests.support.tools import missing

HERE = Path(__file__).parent
NATIVE = HERE.parents[2] / "cct" / "native"


class Emulator:
    """Many cases in one process, which takes longer to start than to run one."""

    def __init__(self, command: Sequence[object], compiler: str, library: Path, folder: Path, beyond: int = 0) -> None:
        """Compiles the program.

        Args:
            command: QEMU and its options; without it the test is skipped.
            compiler: for that CPU.
            library: folder of libcct_ops.so.
            folder: for the program and what it reads and writes.
            beyond: bytes around X and Z that a run may read.
        """
        for program, package in ((str(command[0]), "qemu-user"), (compiler, "g++")):
            if not shutil.which(program):
                missing(f"no {program} (Debian: {package}) to run programs of another CPU with")
        self.command, self._folder, self._program, self._beyond = command, folder, folder / "run_cases", beyond
        compile_it = [compiler, "-std=c++17", "-O1", "-pthread", f"-I{NATIVE}"]
        compile_it += [str(HERE / "run_cases.cpp"), f"-L{library}", "-lcct_ops", f"-Wl,-rpath,{library}"]
        subprocess.run([*compile_it, "-o", self._program], check=True)

    def start(self, isa: str, content: bytes, **environment: str) -> subprocess.CompletedProcess[str]:
        """The program's end; its outputs are in a file."""
        (self._folder / "cases").write_bytes(content)
        command = [*self.command, self._program, isa, self._folder / "cases", self._folder / "outputs", self._beyond]
        return subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)

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

    def agree(self, isa: str, some: list[Case], factor: float = 8 * EPS) -> list[NDArray[Any]]:
        """Y of each case, which is right."""
        outputs = self.run(isa, some)
        for number, (case, got) in enumerate(zip(some, outputs, strict=True)):
            assert (abs(got - case.expected()) <= case.bound(factor)).all(), f"case {number}: {case}"
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
