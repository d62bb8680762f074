"""NVIDIA's compiler and disassembler: those of this machine, else pip's, kept in build/ of the clone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.tools import BUILD, one_maker

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "cct" / "native" / "cuda" / "pattern_conv.cu"
FOLDER = BUILD / "cuda-toolchain"

# Of one release: newer PTX than the oldest driver we support can translate would be of no use.
COMPILER = tuple(
    f"{package}==13.0.*"
    for package in ("nvidia-cuda-nvcc", "nvidia-cuda-crt", "nvidia-nvvm", "nvidia-cuda-runtime", "nvidia-cuda-cccl")
)
DISASSEMBLER = ("nvidia-cuda-nvdisasm",)  # any release reads older files


class NoToolchain(Exception):
    """A tool is neither here nor to be had; the text says why."""


def nvcc(folder: Path = FOLDER) -> list[str]:
    """Command line of nvcc: $CUDACXX, that of the PATH, else one installed into `folder`."""
    named = os.environ.get("CUDACXX") or shutil.which("nvcc")
    if named:
        return [named]
    home = installed(folder / "nvcc", COMPILER)
    return [str(home / "bin" / "nvcc"), f"-L{home / 'lib'}"]  # it looks for libraries in lib64, where pip's are not


def nvdisasm(folder: Path = FOLDER) -> list[str]:
    """Command line of nvdisasm: that of the PATH, else one installed into `folder`."""
    found = shutil.which("nvdisasm")
    return [found or str(installed(folder / "nvdisasm", DISASSEMBLER) / "bin" / "nvdisasm")]


def installed(place: Path, requirements: Sequence[str]) -> Path:
    """Folder with bin/ of these packages, which pip brings now if they are not there.

    Raises:
        NoToolchain: pip could not.
    """
    with one_maker("cuda-toolchain"):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place)]
            done = subprocess.run([*install, *requirements], capture_output=True, text=True)
            if done.returncode:
                errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
                raise NoToolchain(f"pip brings no {requirements[0]}: {errors[-1]}")
            (place / "complete").touch()
    return place / "nvidia" / "cu13"


@dataclass(frozen=True)
class Compiled:
    """What nvcc made of the kernels.

    Attributes:
        path: PTX or a cubin.
        log: what ptxas says of each kernel.
    """

    path: Path
    log: str


def compile_kernels(architecture: str, source: Path = SOURCE) -> Compiled:
    """PTX (for compute_80) or a cubin (for sm_80) of the kernels; kept until a source or the compiler changes.

    Raises:
        NoToolchain: there is no compiler.
        RuntimeError: the source does not compile; with what the compiler said.
    """
    options = ["--ptx"] if architecture.startswith("compute") else ["--cubin", "--ptxas-options=-v"]
    command = [*nvcc(), "-O3", "-std=c++17", f"-arch={architecture}", *options]
    version = subprocess.run([*nvcc(), "--version"], capture_output=True, check=True).stdout
    key = hashlib.sha256(version + "\0".join(command).encode())
    for file in sorted(source.parent.glob("*.*")):
        if file.suffix in (".h", ".cu"):
            key.update(file.name.encode() + file.read_bytes())
    with one_maker("cuda-kernels") as folder:
        path, log = (folder / f"{key.hexdigest()[:16]}-{architecture}.{kind}" for kind in ("out", "log"))
        if not log.exists():
            command += [f"-I{source.parents[1]}", str(source), "-o", str(path)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
            log.write_text(done.stdout + done.stderr)  # last: a run that is cut short leaves none
    return Compiled(path, log.read_text())
