"""NVIDIA's compiler and disassembler: those of this machine, else pip's, kept in build/ of the clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "cct" / "native" / "cuda" / "pattern_conv.cu"
FOLDER = ROOT / "build" / "cuda-toolchain"

# Of one release: newer PTX than the oldest driver we support can translate would be of no use.
COMPILER = tuple(
    f"{package}==13.0.*"
    for package in ("nvidia-cuda-nvcc", "nvidia-cuda-crt", "nvidia-nvvm", "nvidia-cuda-runtime", "nvidia-cuda-cccl")
)
DISASSEMBLER = ("nvidia-cuda-cuobjdump",)  # any release reads older files


class NoToolchain(Exception):
    """A tool is neither here nor to be had; the text says why."""


def nvcc(folder: Path = FOLDER) -> list[str]:
    """Command line of nvcc: $CUDACXX, that of the PATH, else one installed into `folder`."""
    named = os.environ.get("CUDACXX") or shutil.which("nvcc")
    if named:
        return [named]
    home = installed(folder / "nvcc", COMPILER)
    return [str(home / "bin" / "nvcc"), f"-L{home / 'lib'}"]  # it looks for libraries in lib64, where pip's are not


def cuobjdump(folder: Path = FOLDER) -> list[str]:
    """Command line of cuobjdump: that of the PATH, else one installed into `folder`."""
    found = shutil.which("cuobjdump")
    return [found or str(installed(folder / "cuobjdump", DISASSEMBLER) / "bin" / "cuobjdump")]


def installed(place: Path, requirements: Sequence[str]) -> Path:
    """Folder with bin/ of these packages, which pip brings now if they are not there.

    Raises:
        NoToolchain: pip could not.
    """
    home = place / "nvidia" / "cu13"
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place)]
        done = subprocess.run([*install, *requirements], capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
            raise NoToolchain(f"pip brings no {requirements[0]}: {errors[-1]}")
        (place / "complete").touch()
    return home


def compiled(source: Path, output: Path, *options: str) -> str:
    """Compiles CUDA source as the library's build does; what the compiler printed.

    Raises:
        NoToolchain: there is no compiler.
        RuntimeError: the source does not compile; with what the compiler said.
    """
    done = subprocess.run(
        [*nvcc(), "-O3", "-std=c++17", *options, str(source), "-o", str(output)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout + done.stderr
