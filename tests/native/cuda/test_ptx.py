"""The kernels as nvcc compiles them, instruction by instruction, on the cases of the emulator."""

from __future__ import annotations

import pytest

from tests.native.cuda import interpreter
from tests.native.cuda.device_cases import SPECS
from tests.native.cuda.interpreter import kernels
from tests.native.cuda.launch import HELPERS, PLAIN, TILES
from tests.native.cuda.ptx.counters import Counters

FIRST_OF_EACH = list({spec.kernel: spec for spec in reversed(SPECS)}.values())


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_cases_agree(nvcc, spec):
    counters = Counters()
    interpreter.run(spec.build(), kernels("compute_80"), counters)
    conflicts = {kind: traffic.conflicts for kind, traffic in counters.shared.items()}
    assert not {kind: more for kind, more in conflicts.items() if more > 1.01}  # halo stores a few rows of a table
    assert conflicts.get("ldmatrix", 1) == conflicts.get("cp.async", 1) == 1
    if counters.instructions["mma"]:
        assert set(conflicts) == {"load", "store", "cp.async", "ldmatrix"}
        assert counters.global_["cp.async", "weights"].bytes_per_sector == 32


@pytest.mark.parametrize("spec", FIRST_OF_EACH, ids=str)
def test_cases_agree_on_hopper(nvcc, spec):
    interpreter.run(spec.build(), kernels("compute_90"))


def test_there_are_cases_of_every_kernel():
    assert {each.kernel for spec in SPECS for each in spec.build().launches} == {*TILES, *HELPERS, *PLAIN}
