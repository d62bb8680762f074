"""Virtual environments of the peers, made on demand: their requirements and ours don't go together."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engines.process import one_line


@dataclass(frozen=True)
class Environment:
    """What a peer needs.

    Attributes:
        requirements: for pip, options among them.
        python: the only version of Python that it runs on; "" for the one that runs now.
        variables: for its processes.
    """

    requirements: tuple[str, ...]
    python: str = ""
    variables: tuple[tuple[str, str], ...] = ()


# Neither may report its use: openvino does so where openvino-telemetry is installed, which it does without.
PEERS: dict[str, Environment] = {
    "openvino": Environment(("--no-deps", "openvino", "numpy")),
    "deepsparse": Environment(("deepsparse==1.8.*", "numpy<2", "onnx<1.15"), "3.11", (("NM_DISABLE_ANALYTICS", "1"),)),
}


PRUNERS: dict[str, Environment] = {"torch-pruning": Environment(("--no-deps", "torch-pruning==1.6.*"))}


class NoEnvironment(Exception):
    """A peer's environment can't be made here."""


def python_of(name: str, folder: Path) -> Path:
    """The Python of a peer's environment under `folder`, made now if it is not there.

    Raises:
        NoEnvironment: in one line, why not.
    """
    peer = (PEERS | PRUNERS)[name]
    place, python = folder / name, folder / name / "bin" / "python"
    if (place / "complete").exists() and python.exists():
        return python
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    maker = sys.executable if peer.python in ("", running) else shutil.which(f"python{peer.python}")
    if maker is None:
        raise NoEnvironment(f"needs Python {peer.python}, and there is no python{peer.python} on the PATH")
    shutil.rmtree(place, ignore_errors=True)
    for command in ([maker, "-m", "venv", str(place)], [str(python), "-m", "pip", "install", *peer.requirements]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith("ERROR")] or lines or ["no reason given"]
            raise NoEnvironment(one_line(errors[-1]))
    (place / "complete").touch()
    return python
