"""The engines that can run on this machine, and how each is started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.engines.environments import PEERS, NoEnvironment, python_of
from benchmarks.engines.process import EngineError, EngineProcess, one_line

HERE = Path(__file__).parent
OURS = ("cct", "onnxruntime")
PEAKS = ("avx2", "avx512")


@dataclass
class Engines:
    """Commands by engine.

    Attributes:
        python: the interpreter of each engine that runs models.
        peak: the program that measures the machine; None where it can't be built.
        missing: engine -> why it can't run here, in one line.
    """

    python: dict[str, Path]
    peak: Path | None
    missing: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, cores: Sequence[int]) -> EngineProcess:
        """An engine's process, one thread a core; the caller waits until it has started."""
        places = ",".join(map(str, cores))
        variables = dict(PEERS[name].variables) if name in PEERS else {}
        return EngineProcess([self.python[name], HERE / "worker.py", name, str(len(cores)), places], variables)

    def start_peak(self, isa: str, cores: Sequence[int]) -> EngineProcess | None:
        """The process that measures the machine with one instruction set; None where it lacks that."""
        if self.peak is None:
            return None
        process = EngineProcess([self.peak, isa, ",".join(map(str, cores))])
        try:
            process.wait_until_started()
        except EngineError:
            process.close()
            return None
        return process


def find_engines(peers: Iterable[str], folder: Path) -> Engines:
    """Ours, and those of `peers` whose environments can be made under `folder`."""
    found = Engines(dict.fromkeys(OURS, Path(sys.executable)), None)
    for name in peers:
        try:
            found.python[name] = python_of(name, folder)
        except NoEnvironment as error:
            found.missing[name] = str(error)
    program = folder / "peak"
    folder.mkdir(parents=True, exist_ok=True)
    command = ["c++", "-O2", "-std=c++17", "-pthread", str(HERE / "peak.cpp"), "-o", str(program)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
        found.peak = program
    except (OSError, subprocess.CalledProcessError) as error:
        found.missing["peak"] = one_line(str(error))
    return found


def cores_for(threads: int) -> list[int] | None:
    """The last cores that this process may use: the first ones take the interrupts. None if there are too few."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-threads:] if threads <= len(cores) else None
