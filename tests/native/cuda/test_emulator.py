"""The kernels' own source on the CPU, where each access to memory is watched."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.native.cuda.device_cases import ONE, SPECS, Spec, device_case
from tests.native.cuda.emulation import Emulator, conflicts
from tests.native.cuda.launch import ARGUMENTS, PLAIN, TILES
from tests.native.cuda.mutants import Mutant
from tests.native.cuda.slabs import Geometry
from tests.native.cuda.tf32 import rounded
from tests.support.cases import Case, draw_packed, draw_values

KERNELS = [*TILES, *PLAIN]
FIRST = {spec.kernel: spec for spec in reversed(SPECS)}
every_kernel = pytest.mark.parametrize("kernel", KERNELS)


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    return Emulator()


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_cases_agree(emulator, spec):
    emulator.run(spec.build())


def test_the_cases_have_slabs():
    """But for those with K = 0; some more than any pipeline has stages, some out tiles of unlike numbers."""
    tiled = [spec for spec in SPECS if spec.kernel in TILES]
    counts = {
        spec: launch.reads["counts"].tolist()
        for spec in tiled
        for launch in spec.build().launches
        if launch.kernel in TILES
    }
    assert [spec for spec in tiled if not any(counts[spec])] == [spec for spec in tiled if not spec.keep]
    for kernel in TILES:
        of_kernel = [counts[spec] for spec in tiled if spec.kernel == kernel]
        assert max(map(max, of_kernel)) > TILES[kernel].stages + 1
        assert any(len(set(count)) > 1 for count in of_kernel)


@every_kernel
def test_any_order_of_threads_agrees(emulator, kernel):
    case = replace(FIRST[kernel], parts=2 if kernel in TILES else 1).build()
    results = []
    for seed in range(1, 4):
        case.y[...] = np.nan
        emulator.run(case, seed)
        results.append(case.y.copy())
    for result in results:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("kernel", TILES)
@pytest.mark.parametrize("parts", [1, 2])
def test_no_accesses_share_a_bank(emulator, kernel, parts):
    """With every output channel in use, so that all lanes store; a few stores of halo's table may."""
    window = ONE if TILES[kernel].way == "pointwise" else {}
    spec = Spec(kernel, (1, 32, 16, 32), TILES[kernel].out_channels, **window, keep=1, residual=True, parts=parts)
    counted = conflicts([emulator.run(spec.build())[kernel]])
    assert counted.pop("stores") < 1.01
    assert set(counted.values()) == {1}


def identity(kernel: str, act: str) -> Case:
    """Y = act(X) of one channel: 5 x 8 pixels, windows of 3x3 that keep the one in the middle, or of it alone."""
    rng = np.random.default_rng(0)
    size, pads = (1, 0) if kernel.startswith("cct_pointwise") else (3, 1)
    window: dict[str, Any] = {"kernel": (size, size), "entries": 1, "patterns": 1}
    packed = draw_packed(rng, out_channels=1, in_channels=1, **window, block=(1, 1), keep=1)
    packed.W[...], packed.pool[...] = 1, size**2 // 2
    case = draw_values(rng, packed, (1, 1, 5, 8), vars(Geometry(pads=(pads,) * 4)), act)
    case.bias[...] = 0
    return rounded(case.cast("float32")) if kernel.endswith(("float32", "tf32")) else case.cast("float16")


@every_kernel
@pytest.mark.parametrize("act", ["none", "relu", "clip"])
def test_nan_passes_the_activation(emulator, kernel, act):
    case = identity(kernel, act)
    case.x[0, 0, 1, 2:5] = np.nan, 0, -0.0
    case.x[0, 0, 3, 2] = last_nan(case.x.dtype)
    made = device_case(case, kernel)
    for launch in made.launches:
        emulator.launch(launch)
    np.testing.assert_array_equal(made.y, np.clip(case.x, *case.clip.values()).astype(made.y.dtype))


def last_nan(dtype: np.dtype[Any]) -> Any:
    """All bits but the sign, into which rounding to tf32 would carry."""
    integer = f"i{dtype.itemsize}"
    return np.array(np.iinfo(integer).max, integer).view(dtype)


def test_without_the_guard_of_tf32_a_nan_is_lost(tmp_path):
    """The test above would find that."""
    Mutant("no-guard", "tf32.h", "const bool nan = ", "const bool nan = false && ", "", "").write(tmp_path)
    unguarded = Emulator("tf32-no-guard", tmp_path, "-O0")
    case = identity("cct_gather_64x64_tf32", "none")
    case.x[0, 0, 3, 2] = last_nan(case.x.dtype)
    made = device_case(case, "cct_gather_64x64_tf32")
    for launch in made.launches:
        unguarded.launch(launch)
    assert made.y[0, 0, 3, 2] == 0


@every_kernel
@pytest.mark.parametrize("parts", [1, 2])
def test_a_sum_too_large_is_infinite(emulator, kernel, parts):
    case = identity(kernel, "none")
    large = 60000 if case.x.dtype == np.float16 else 1.5 * 2.0**127
    case.x[0, 0, 1, 2:5], case.packed.W[...] = (large, -large, 300), 2
    made = device_case(case, kernel, parts if kernel in TILES else 1)
    for launch in made.launches:
        emulator.launch(launch)
    assert made.y[0, 0, 1, 2:5].tolist() == [np.inf, -np.inf, 600]


def test_python_knows_the_structs_and_tiles(emulator):
    sizes = (ctypes.c_int32 * 4)()
    for number, tile in enumerate(TILES.values()):
        assert emulator.library.cct_tile(number, 37, sizes).decode() == tile.kernel
        assert list(sizes) == [tile.rows, tile.columns, tile.out_channels, tile.shared_bytes(37)]
    assert not emulator.library.cct_tile(len(TILES), 1, sizes)
    assert [emulator.library.cct_size_of(i) for i in range(len(ARGUMENTS))] == list(map(ctypes.sizeof, ARGUMENTS))
