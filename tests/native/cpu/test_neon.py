"""The rows for aarch64, cross-compiled and run by QEMU, on the cases of the other rows."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.native.cpu.boundaries import KERNELS, boundary_grid
from tests.native.cpu.emulator import Emulator, written
from tests.support.cases import TYPES, draw_packed, draw_values

SAME = {"pads": (1, 1, 1, 1)}
ISAS = ("neon", "generic")
rows = pytest.mark.parametrize("isa", ISAS)
every_type = pytest.mark.parametrize("types", TYPES)


@pytest.fixture(scope="session")
def emulator(aarch64_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Emulator:
    command = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
    return Emulator(command, "aarch64-linux-gnu-g++", aarch64_build, tmp_path_factory.mktemp("aarch64"))


@rows
@every_type
def test_every_case_agrees(emulator, every_case, isa, types):
    emulator.agree(isa, [case.cast(types) for case in every_case])


@rows
@every_type
def test_image_sizes_agree(emulator, isa, types):
    """Read in place, packed with each way to split columns, and cut into bands."""
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=11, in_channels=6, keep=0.6)
    sizes = [(3, 3), (7, 7), (8, 9), (14, 14), (15, 16), (17, 31), (28, 28), (57, 40), (3, 200)]
    some = [
        draw_values(rng, packed, (2, 6, *size), {"pads": pads, "strides": (stride, stride)}, act, residual=True)
        for size, stride, pads, act in itertools.product(sizes, (1, 2, 3), [(0,) * 4, (1,) * 4], ("clip",))
    ]
    for shape in [(1, 40, 90, 90), (9, 40, 30, 30), (12, 8, 5, 5), (3, 160, 20, 20)]:
        wide = draw_packed(rng, out_channels=9, in_channels=shape[1], keep=0.4)
        some.append(draw_values(rng, wide, shape, SAME, "relu", residual=True))
    emulator.agree(isa, [case.cast(types) for case in some])


@rows
@pytest.mark.parametrize("block", [(1, 1), (4, 1), (8, 1)])
def test_sizes_around_vectors_agree(emulator, isa, block):
    emulator.agree(isa, [case for kernel in KERNELS for case in boundary_grid(block, kernel) if case.x.size < 10_000])


@rows
def test_images_of_long_rows_agree(emulator, isa):
    """In strips of columns: more than 1 MB of packed rows, with the cache that is assumed where none is stated."""
    rng = np.random.default_rng(0)
    some = []
    for kernel, width, geometry in [
        ((3, 3), 1207, SAME),
        ((1, 5), 3001, {}),
        ((3, 3), 1301, {**SAME, "strides": (2, 2)}),
    ]:
        packed = draw_packed(rng, out_channels=9, in_channels=100, kernel=kernel, block=(8, 1), keep=0.1)
        some.append(draw_values(rng, packed, (1, 100, 1, width), geometry, "clip", residual=True))
    emulator.agree(isa, some)


@rows
def test_values_whose_errors_add_up_agree(emulator, isa):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=16, in_channels=64, keep=0.6)
    case = draw_values(rng, packed, (1, 64, 13, 13), SAME)
    for array in (case.x, packed.W, case.bias):
        array[...] = abs(array)
    emulator.agree(isa, [case], factor=case.products * 2.0**-24)


@rows
@pytest.mark.parametrize("types", ["float32", "float16"])
def test_nan_and_infinity_pass_the_clip(emulator, isa, types):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=1, in_channels=1, kernel=(1, 1), entries=1, block=(1, 1), keep=1)
    packed.W[...] = 1
    some = [draw_values(rng, packed, (1, 1, 5, 7), {}, act).cast(types) for act in ("none", "relu", "clip")]
    for case in some:
        case.bias[...] = 0
        case.x[0, 0, 1, 1:6] = np.nan, np.inf, -np.inf, 0, -0.0
    for case, got in zip(some, emulator.run(isa, some), strict=True):
        np.testing.assert_array_equal(got, case.expected())


@rows
def test_every_float16_passes_unchanged(emulator, isa):
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=1, in_channels=1, kernel=(1, 1), entries=1, block=(1, 1), keep=1)
    packed.W[...] = 1
    case = draw_values(rng, packed, (1, 1, 256, 256), {}).cast("float16")
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(case.x.shape)
    case = replace(case, x=every, bias=np.full(1, -0.0, np.float16))
    (got,) = emulator.run(isa, [case])
    np.testing.assert_array_equal(got, every)
    assert (np.signbit(got) == np.signbit(every))[~np.isnan(every)].all()


def test_the_rows_best_first(emulator):
    assert emulator.start("", b"").stdout.split() == list(ISAS)


def test_rows_of_another_architecture_are_refused(emulator):
    case = written(
        draw_values(
            np.random.default_rng(0),
            draw_packed(np.random.default_rng(0), out_channels=4, in_channels=2),
            (1, 2, 8, 8),
            {},
        )
    )
    for done in (emulator.start("avx2", case), emulator.start("", case, CCT_ISA="avx2")):
        assert done.returncode == 1
        assert "CCT_ISA = avx2 is unknown or not compiled into this library, which has neon, generic" in done.stderr
    for isa in ("", *ISAS):
        assert emulator.start("", case, CCT_ISA=isa).returncode == 0
