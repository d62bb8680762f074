"""The kernels' own source on the CPU, where each access to memory is watched."""

from __future__ import annotations

import ctypes

import pytest
from native.cuda.device_cases import SPECS
from native.cuda.emulation import Emulator
from native.cuda.launch import ARGUMENTS, TILES


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    return Emulator()


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_cases_agree(emulator, spec):
    emulator.run(spec.build())


def test_python_knows_the_structs_and_tiles(emulator):
    sizes = (ctypes.c_int32 * 4)()
    for number, tile in enumerate(TILES.values()):
        assert emulator.library.cct_tile(number, 37, sizes).decode() == tile.kernel
        assert list(sizes) == [tile.rows, tile.columns, tile.out_channels, tile.shared_bytes(37)]
    assert not emulator.library.cct_tile(len(TILES), 1, sizes)
    assert [emulator.library.cct_size_of(i) for i in range(len(ARGUMENTS))] == list(map(ctypes.sizeof, ARGUMENTS))
