"""Each planted fault is found by the emulator. Those in device.h, which it replaces, are in test_ptx_mutants.py."""

from __future__ import annotations

import re

import pytest

from tests.native.cuda.device_cases import SPECS, Spec
from tests.native.cuda.emulation import Emulator, Fault, conflicts
from tests.native.cuda.mutants import CONFLICTS, MUTANTS, TF32_HALO, TF32_POINTWISE, Mutant


def complaint(emulator: Emulator, specs: list[Spec]) -> str:
    """The first one of these cases."""
    for spec in specs:
        try:
            emulator.run(spec.build())
        except (Fault, AssertionError) as found:
            return str(found)
    return ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_planted_faults_are_found(mutant: Mutant, tmp_path):
    mutant.write(tmp_path)
    emulator = Emulator(mutant.name, tmp_path, "-O0")
    specs = [spec for spec in SPECS if re.match(mutant.kernels, spec.kernel)]
    if mutant.found == CONFLICTS:
        counters = emulator.run(specs[0].build())[specs[0].kernel]
        kind = "loads" if mutant.kernels in (TF32_HALO, TF32_POINTWISE) else "matrices"
        # 8 rows of a matrix lie in one or two of eight places; of single numbers at least two lie in one.
        assert conflicts([counters])[kind] >= (2 if kind == "loads" else 4)
    else:
        assert re.search(mutant.found, complaint(emulator, specs))
