"""Convolutions as launches of the kernels: what an emulator needs to run them, and what must come out."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.native.cuda import launch
from tests.native.cuda.launch import PLAIN, THREADS, TILES
from tests.native.cuda.slabs import Geometry, plain_tables, slab_tables
from tests.native.cuda.tf32 import rounded
from tests.support.cases import Case, draw_packed, draw_values

Array = NDArray[Any]


@dataclass(frozen=True)
class Launch:
    """One kernel: a grid of blocks of THREADS threads."""

    kernel: str
    grid: tuple[int, int, int]
    shared: int  # bytes
    arguments: ctypes.Structure  # holds addresses of the arrays
    reads: dict[str, Array]
    writes: dict[str, Array]


@dataclass(frozen=True)
class DeviceCase:
    """Launches that follow each other, after which `y` is within `bound` of `expected`."""

    launches: list[Launch]
    y: Array
    expected: NDArray[np.float64]
    bound: NDArray[np.float64]

    def check(self) -> None:
        """Raises an AssertionError when Y is wrong."""
        with np.errstate(invalid="ignore"):
            wrong = ~(abs(self.y.astype(np.float64) - self.expected) <= self.bound)
        assert not wrong.any(), f"{wrong.sum()} of {wrong.size} outputs are wrong, first {np.argwhere(wrong)[0]}"


@dataclass(frozen=True)
class Spec:
    """A case in words: `build` draws its values."""

    kernel: str  # of tiles.h, or one of PLAIN
    shape: tuple[int, int, int, int]  # N, C, H, W
    out_channels: int
    window: tuple[int, int] = (3, 3)
    geometry: Geometry = field(default_factory=lambda: Geometry(pads=(1, 1, 1, 1)))
    group: int = 1
    block: tuple[int, int] = (64, 8)
    entries: int = 4
    patterns: int = 8
    keep: float = 1.0
    act: str = "none"
    residual: bool = False
    parts: int = 1

    def __str__(self) -> str:
        default = {f: v.default for f, v in self.__dataclass_fields__.items()}
        shape, name = "x".join(map(str, self.shape)), self.kernel.removeprefix("cct_")
        words = [name, f"{shape}-{self.out_channels}"]
        for key, value in vars(self).items():
            if key == "geometry":
                words += [f"{k}{''.join(map(str, v))}" for k, v in vars(value).items() if v != getattr(SAME, k)]
            elif key not in ("kernel", "shape", "out_channels") and value != default[key]:
                words.append(f"{key}{'x'.join(map(str, value)) if isinstance(value, tuple) else value}")
        return " ".join(words)

    def draw(self) -> Case:
        """The convolution, with the values of its type."""
        rng = np.random.default_rng(len(str(self)) + self.out_channels)
        packed = draw_packed(
            rng,
            out_channels=self.out_channels,
            in_channels=self.shape[1],
            group=self.group,
            kernel=self.window,
            entries=self.entries,
            patterns=self.patterns,
            block=self.block,
            keep=self.keep,
        )
        case = draw_values(rng, packed, self.shape, vars(self.geometry), self.act, self.residual)
        return case.cast("float32" if self.kernel.endswith(("float32", "tf32")) else "float16")

    def build(self) -> DeviceCase:
        """Launches of the case."""
        return device_case(self.draw(), self.kernel, self.parts)


SAME = Geometry(pads=(1, 1, 1, 1))
ONE: dict[str, Any] = {"window": (1, 1), "entries": 1, "geometry": Geometry()}  # of a Spec


def aligned(array: Array) -> Array:
    """A copy at an address that is a multiple of 256, as GPU memory is."""
    memory = np.empty(array.nbytes + 256, np.uint8)
    start = -memory.ctypes.data % 256
    copy: Array = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def undefined(shape: tuple[int, ...], dtype: Any) -> Array:
    """Memory for results: not a number anywhere."""
    return aligned(np.full(shape, np.nan, dtype))


def device_case(case: Case, kernel: str, parts: int = 1) -> DeviceCase:
    """The launches of a convolution with one of the kernels."""
    geometry = Geometry(**case.geometry)  # type: ignore[arg-type]  # of known lengths
    meant = rounded(case) if kernel.endswith("tf32") else case
    expected, x = meant.expected(), aligned(case.x)
    y, z = undefined(expected.shape, case.x.dtype), None if case.z is None else aligned(case.z)
    make: Callable[..., list[Launch]] = _plain if kernel.startswith("cct_plain") else _tiled
    return DeviceCase(make(case, kernel, parts, geometry, x, y, z), y, expected, meant.bound())


def _fill(struct: ctypes.Structure, arrays: dict[str, Array], **numbers: Any) -> ctypes.Structure:
    for name, array in arrays.items():
        setattr(struct, name, array.ctypes.data)
    for name, number in numbers.items():
        setattr(struct, name, number)
    return struct


def _plain(case: Case, kernel: str, _: int, geometry: Geometry, x: Array, y: Array, z: Array | None) -> list[Launch]:
    tables = {name: aligned(array) for name, array in vars(plain_tables(case.packed, case.bias, geometry)).items()}
    reads = {"x": x, **tables, **({} if z is None else {"residual": z})}
    images, channels, height, width = x.shape
    _, out_channels, out_height, out_width = y.shape
    arguments = _fill(
        launch.PlainArguments(stride=geometry.strides),
        {**reads, "y": y},
        **{"images": images, "channels": channels, "height": height, "width": width},
        **{"out_channels": out_channels, "out_height": out_height, "out_width": out_width},
        **case.clip,
    )
    grid = (-(-images * out_height * out_width // THREADS), len(tables["first"]) - 1, 1)
    return [Launch(kernel, grid, 0, arguments, reads, {"y": y})]


def _tiled(
    case: Case, kernel: str, parts: int, geometry: Geometry, x: Array, y: Array, z: Array | None
) -> list[Launch]:
    tile = TILES[kernel]
    tables = {name: aligned(array) for name, array in vars(slab_tables(case.packed, case.bias, geometry, tile)).items()}
    images, channels, height, width = x.shape
    _, out_channels, out_height, out_width = y.shape
    out_tiles, max_slabs = tables["weights"].shape[:2]
    pixels = images * out_height * out_width
    ending_reads = {name: tables[name] for name in ("bias", "outputs")} | ({} if z is None else {"residual": z})
    slab_reads = {name: tables[name] for name in ("weights", "steps", "counts", "taps")}
    pitch = -(-pixels // 4) * 4
    partials = undefined((parts, out_tiles * tile.out_channels, pitch), np.float32)
    result = {"y": y} if parts == 1 else {"partials": partials}

    ending = {"out_channels": out_channels, "out_plane": out_height * out_width, "partials_pitch": pitch, **case.clip}
    slabs = {"tap_count": len(tables["taps"]), "max_slabs": max_slabs, "out_tiles": out_tiles}
    image = {"images": images, "height": height, "width": width}
    slabs_struct = _fill(launch.Slabs(), slab_reads, **slabs)
    shared = tile.shared_bytes(-(-max_slabs // parts))
    reads = {**slab_reads, **({} if parts > 1 else ending_reads)}
    inputs = {"x": x, "inputs": tables["inputs"]}
    ending_struct = _fill(launch.Ending(), {**ending_reads, "y": y, **result}, **ending)
    launches = []
    if tile.halo:
        tiles = {"row_tiles": -(-height // tile.rows), "column_tiles": -(-width // tile.columns)}
        blocks = tiles["row_tiles"] * tiles["column_tiles"] * images
        arguments: ctypes.Structure = launch.HaloArguments(slabs_struct, ending_struct)
        arguments = _fill(arguments, inputs, channels=channels, **image, **tiles)
        reads |= inputs
    elif tile.way == "pointwise":
        blocks = -(-pixels // tile.pixels)
        arguments = launch.PointwiseArguments(slabs_struct, ending_struct)
        arguments = _fill(arguments, inputs, images=images, channels=channels, plane=height * width)
        reads |= inputs
    else:
        blocks = -(-pixels // tile.pixels)
        chunk_count = len(tables["inputs"])
        chunks = undefined((images, chunk_count, height * width, tile.chunk), tile.number)
        plane = {"channels": channels, "plane": height * width, "chunk_count": chunk_count, "images": images}
        arguments = _fill(launch.ChunksArguments(), {**inputs, "chunks": chunks}, **plane)
        grid = (-(-images * height * width // THREADS), chunk_count, 1)
        launches.append(Launch(f"cct_to_chunks_{tile.type}", grid, 0, arguments, inputs, {"chunks": chunks}))
        arguments = launch.GatherArguments(slabs_struct, ending_struct, stride=geometry.strides)
        arguments = _fill(arguments, {"chunks": chunks}, chunk_count=chunk_count, out_width=out_width, **image)
        reads |= {"chunks": chunks}
    launches.append(Launch(kernel, (blocks * out_tiles, 1, parts), shared, arguments, reads, result))
    if parts > 1:
        finish = launch.FinishArguments(ending_struct, images=images, parts=parts)
        grid = (-(-pixels // THREADS), out_tiles * tile.out_channels, 1)
        reads = {**ending_reads, "partials": partials}
        launches.append(Launch(f"cct_finish_{tile.number}", grid, 0, finish, reads, {"y": y}))
    return launches


def _specs() -> list[Spec]:
    """At least one of everything for each kernel."""
    none = Geometry()
    every: list[Spec] = []
    for kernel in (name for name, tile in TILES.items() if tile.way == "gather"):
        bn = TILES[kernel].out_channels
        every += [
            Spec(kernel, (1, 48, 12, 12), 64, act="relu"),
            Spec(kernel, (2, 24, 9, 7), 40, keep=0.8, residual=True, act="clip"),
            Spec(kernel, (3, 16, 4, 4), 136, parts=2),
            Spec(kernel, (2, 16, 6, 10), 24, residual=True, act="relu"),
            Spec(kernel, (1, 16, 15, 15), 32, geometry=replace(SAME, strides=(2, 2))),
            Spec(kernel, (1, 24, 13, 10), 32, geometry=Geometry((1, 2), (2, 0, 1, 3)), residual=True),
            Spec(kernel, (1, 8, 1, 1), 8, block=(8, 8)),
            Spec(kernel, (2, 16, 7, 7), 64, keep=0.0, act="relu", residual=True),
            Spec(kernel, (1, 40, 7, 7), 72, parts=3, residual=True, act="relu"),
            Spec(kernel, (1, 72, 8, 8), 96, **ONE, keep=0.8),
            Spec(kernel, (5, 40, 3, 3), 64, **ONE, parts=2),
            Spec(kernel, (1, 21, 9, 9), 70, block=(4, 1), keep=0.3),
            Spec(kernel, (1, 24, 8, 8), 24, group=3, block=(8, 8)),
            Spec(kernel, (1, 8, 11, 11), 16, window=(5, 5), entries=9, block=(16, 8)),
            Spec(kernel, (1, 8, 11, 11), 16, geometry=Geometry((1, 1), (2, 2, 2, 2), (2, 2))),
            Spec(kernel, (1, 32, 8, 8), bn * 2, block=(32, 8), act="clip", keep=0.5),
            Spec(kernel, (1, 32, 6, 6), bn + 8, keep=0.2, block=(8, 8), parts=4),
        ]
    for kernel, tile in ((name, tile) for name, tile in TILES.items() if tile.halo):
        bn, by = tile.out_channels, tile.copy_pixels
        every += [
            Spec(kernel, (1, 40, 8, 2 * by), 32, act="relu"),
            Spec(kernel, (1, 8, 3, by), 8, block=(8, 8)),
            Spec(kernel, (2, 24, 17, 5 * by), 40, residual=True, act="clip"),
            Spec(kernel, (1, 21, 9, 24), bn + 8, block=(4, 1), keep=0.3, act="relu"),
            Spec(kernel, (1, 40, 6, 3 * by), 72, parts=3, residual=True, act="relu"),
            Spec(kernel, (2, 16, 5, 8), 16, keep=0.0, residual=True),
            Spec(kernel, (1, 24, 8, 8), 24, group=3, block=(8, 8)),
            Spec(kernel, (1, 24, 4, 32), 16, entries=9),
            Spec(kernel, (1, 32, 4, 8), bn * 2, keep=0.4, block=(8, 8), parts=4),
        ]
    for kernel, tile in ((name, tile) for name, tile in TILES.items() if tile.way == "pointwise"):
        bn, some = tile.out_channels, 8 if tile.copy_pixels == 8 else 12  # pixels
        every += [
            Spec(kernel, (1, 208, 8, some), 64, **ONE, act="relu"),  # 7 slabs, the last with steps that only fill it
            Spec(kernel, (1, 8, 1, tile.copy_pixels), 8, **ONE, block=(8, 8)),
            Spec(kernel, (3, 27, 11, some), 40, **ONE, keep=0.6, block=(5, 3), residual=True, act="clip"),
            Spec(kernel, (5, 200, 3, some), bn + 8, **ONE, keep=0.5, block=(8, 8), residual=True, act="relu"),
            Spec(kernel, (2, 136, 7, some), 72, **ONE, parts=3, residual=True, act="relu"),
            Spec(kernel, (1, 30, 9, some), bn * 2, **ONE, keep=0.4, block=(16, 1), act="clip"),
            Spec(kernel, (2, 24, 5, some), 24, **ONE, keep=0.0, residual=True, act="relu"),
            Spec(kernel, (4, 60, 4, some), 36, **ONE, group=3, block=(4, 4), keep=0.7),
            Spec(kernel, (9, 100, 1, some), bn + 1, **ONE, keep=0.3, block=(8, 8), parts=4),
        ]
    for kernel in PLAIN:
        every += [
            Spec(kernel, (1, 6, 12, 12), 10, block=(4, 1), keep=0.6, act="relu"),
            Spec(kernel, (2, 7, 9, 5), 9, block=(3, 2), keep=0.6, residual=True, act="clip"),
            Spec(kernel, (1, 4, 15, 15), 5, geometry=Geometry((3, 2), (0, 1, 2, 3), (2, 1)), block=(1, 1)),
            Spec(kernel, (1, 12, 6, 6), 12, group=3, block=(4, 1)),
            Spec(kernel, (1, 3, 20, 20), 4, window=(7, 7), entries=20, geometry=none, block=(4, 1)),
            Spec(kernel, (1, 8, 5, 5), 8, keep=0.0, block=(1, 1), residual=True),
            Spec(kernel, (2, 8, 9, 9), 20, window=(1, 1), entries=1, geometry=none, block=(1, 1), keep=0.5),
        ]
    return every


SPECS = _specs()
