"""What cct/native/cuda/launch.h and tiles.h say, for Python; test_emulator.py compares the two."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "cct" / "native" / "cuda"
THREADS = 128
CHUNK_BYTES = 16
SLAB_STEPS = 4
QUAD = 4

POINTER, INT, FLOAT, LONG = ctypes.c_void_p, ctypes.c_int32, ctypes.c_float, ctypes.c_int64


class Slabs(ctypes.Structure):
    """The weights for one BN."""

    _fields_ = (
        *((name, POINTER) for name in ("weights", "steps", "counts", "taps")),
        *((name, INT) for name in ("tap_count", "max_slabs", "out_tiles")),
    )


class Ending(ctypes.Structure):
    """What follows the sum."""

    _fields_ = (
        *((name, POINTER) for name in ("bias", "outputs", "residual", "y", "partials")),
        ("partials_pitch", LONG),
        *((name, INT) for name in ("out_channels", "out_plane")),
        *((name, FLOAT) for name in ("clip_min", "clip_max")),
    )


class HaloArguments(ctypes.Structure):
    _fields_ = (
        ("slabs", Slabs),
        ("ending", Ending),
        *((name, POINTER) for name in ("x", "inputs")),
        *((name, INT) for name in ("images", "channels", "height", "width", "row_tiles", "column_tiles")),
    )


class PointwiseArguments(ctypes.Structure):
    _fields_ = (
        ("slabs", Slabs),
        ("ending", Ending),
        *((name, POINTER) for name in ("x", "inputs")),
        *((name, INT) for name in ("images", "channels", "plane")),
    )


class GatherArguments(ctypes.Structure):
    _fields_ = (
        ("slabs", Slabs),
        ("ending", Ending),
        ("chunks", POINTER),
        *((name, INT) for name in ("chunk_count", "images", "height", "width", "out_width")),
        ("stride", INT * 2),
    )


class ChunksArguments(ctypes.Structure):
    _fields_ = (
        *((name, POINTER) for name in ("x", "inputs", "chunks")),
        *((name, INT) for name in ("images", "channels", "chunk_count", "plane")),
    )


class FinishArguments(ctypes.Structure):
    _fields_ = (("ending", Ending), ("images", INT), ("parts", INT))


class PlainArguments(ctypes.Structure):
    _fields_ = (
        *((name, POINTER) for name in ("x", "residual", "y", "taps", "first", "outputs", "bias")),
        *((name, INT) for name in ("images", "channels", "height", "width")),
        *((name, INT) for name in ("out_channels", "out_height", "out_width")),
        ("stride", INT * 2),
        *((name, FLOAT) for name in ("clip_min", "clip_max")),
    )


# In cct_size_of's order.
ARGUMENTS = (HaloArguments, PointwiseArguments, GatherArguments, ChunksArguments, FinishArguments, PlainArguments)


@dataclass(frozen=True)
class Tile:
    """A row of kTiles."""

    kernel: str
    way: str  # halo, pointwise or gather
    type: str  # float16 or tf32
    rows: int
    columns: int
    out_channels: int
    warp_pixels: int
    warp_channels: int
    stages: int
    copy_pixels: int

    @property
    def halo(self) -> bool:
        return self.way == "halo"

    @property
    def pixels(self) -> int:
        return self.rows * self.columns

    @property
    def number(self) -> str:
        """Type of X and Y."""
        return "float32" if self.type == "tf32" else self.type

    @property
    def chunk(self) -> int:
        """Channels of a chunk."""
        return CHUNK_BYTES // (4 if self.type == "tf32" else 2)

    @property
    def transposes(self) -> bool:
        return self.halo and self.type == "float16"

    @property
    def halo_pixels(self) -> int:
        """Of a channel, around the tile too: a copy of 16 bytes on either side of each row."""
        return (self.rows + 2) * (self.columns + 2 * self.chunk)

    def shared_bytes(self, slabs: int) -> int:
        """Of a launch whose parts have at most that many slabs."""
        pixels = self.pixels * 64
        if self.halo:
            pixels = (
                -(-self.halo_pixels // 128) * 16 * 128
                if self.transposes
                else 4 * (-(-self.halo_pixels // 256) * 1024 + 32)
            )
        pipeline = self.stages * (pixels + self.out_channels * 64) + (2 * pixels if self.transposes else 0)
        rows = {"halo": slabs * 32, "pointwise": slabs * SLAB_STEPS * self.chunk * 4, "gather": slabs * 32}
        return pipeline + ((slabs + 1) * 48 if self.transposes else rows[self.way])


def _tiles() -> dict[str, Tile]:
    source = (FOLDER / "tiles.h").read_text()
    found = re.findall(r'\{"(\w+)", Way::k(\w+), Type::k(\w+), ([\d, ]+)\}', source)
    return {
        name: Tile(name, way.lower(), number.lower(), *map(int, sizes.split(","))) for name, way, number, sizes in found
    }


TILES = _tiles()
# Without tensor cores, and around those that have them.
PLAIN = ("cct_plain_float16", "cct_plain_float32")
HELPERS = ("cct_to_chunks_float16", "cct_to_chunks_tf32", "cct_finish_float16", "cct_finish_float32")
