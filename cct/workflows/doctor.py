"""`diagnose`: what this machine can do for a packed file, and why a file would not load or accelerate here."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import onnxruntime as ort

from cct.__version__ import __version__
from cct.errors import CctError, LibraryError
from cct.report.diagnosis import Diagnosis
from cct.runtime.check_cuda import check_cuda
from cct.runtime.cuda_build import cuda_build
from cct.runtime.cuda_driver import find_driver
from cct.runtime.library import isa, isa_rows, library_path, supported
from cct.runtime.machine import machine
from cct.runtime.session import register_library

Found = TypeVar("Found")


def diagnose(path: Path | None = None) -> Diagnosis:
    """Look at the machine, and try a file on each provider that it has.

    Args:
        path: an ONNX file; None for the machine alone.

    Raises:
        CctError: the file is no valid model. What the machine lacks is no error: see `Diagnosis.problem`.
    """
    cpu = _problem(lambda: register_library(ort.SessionOptions())) if supported() else ""
    here = f"{platform.system()} {platform.machine()}"
    diagnosis = Diagnosis(
        software={"cct": __version__, "Python": platform.python_version(), "onnxruntime": ort.__version__},
        machine=f"{machine()}, {here}",
        library=_or(library_path, "missing") if supported() else "",
        providers=ort.get_available_providers(),
        rows=_or(isa_rows, []),
        isa="" if cpu else isa(),
        forced=os.environ.get("CCT_ISA", ""),
        build=_or(cuda_build, None),
        driver=_or(find_driver, None),
        cannot={"cpu": cpu or ("" if supported() else f"cct has no library for {here}"), "cuda": _problem(check_cuda)},
        problem=cpu,
    )
    if path is None:
        return diagnosis
    from cct.workflows.doctor_model import diagnose_model

    model = diagnose_model(path, diagnosis)
    return replace(diagnosis, model=model, problem=cpu or model.runs["cpu"])


def _problem(check: Callable[[], object]) -> str:
    """What is wrong; empty if nothing is."""
    try:
        check()
    except CctError as error:
        return str(error)
    return ""


def _or(find: Callable[[], Found], none: Found) -> Found:
    """What is found, or `none` where there is nothing."""
    try:
        return find()
    except LibraryError:
        return none
