"""Runs cases on the PTX that nvcc makes of the kernels: the compiler's output, with the instructions of device.h."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.native.cuda.device_cases import DeviceCase
from tests.native.cuda.launch import THREADS
from tests.native.cuda.ptx.counters import Counters
from tests.native.cuda.ptx.global_memory import GlobalMemory
from tests.native.cuda.ptx.parse import Function, parse
from tests.native.cuda.ptx.run import launch
from tests.native.cuda.toolchain import SOURCE, compile_kernels


@cache
def kernels(architecture: str, source: Path = SOURCE) -> dict[str, Function]:
    """By name; the architecture is compute_80 or later."""
    return parse(compile_kernels(architecture, source).path.read_text())


def run(case: DeviceCase, functions: dict[str, Function], counters: Counters | None = None) -> None:
    """Runs a case; raises a PtxError, or an AssertionError when Y is wrong."""
    memory = GlobalMemory()
    results = {name for each in case.launches for name in each.writes}
    arrays = {name: array for each in case.launches for name, array in (each.reads | each.writes).items()}
    for name, array in arrays.items():
        memory.add(name, array, written=name not in results)
    for each in case.launches:
        memory.begin_launch(each.writes)
        parameters = [bytes(each.arguments)]
        launch(functions[each.kernel], each.grid, (THREADS, 1, 1), parameters, memory, each.shared, counters)
    case.check()
