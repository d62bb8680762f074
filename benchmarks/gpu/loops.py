"""What one slab costs a multiprocessor, from the instructions of a compiled kernel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks.gpu.gpus import ISSUED, SHARED_BYTES, Gpu
from benchmarks.gpu.layers import SLAB
from tests.native.cuda.launch import Tile
from tests.native.cuda.sass import Kernel, Loop
from tests.native.cuda.slab_work import pixel_pieces, products, weight_pieces

WARP = 32
PIECE = 16  # bytes


@dataclass(frozen=True)
class SlabCost:
    """Of a block of threads.

    Attributes:
        instructions: that a warp issues.
        wavefronts: cycles of shared memory, of all warps.
        bytes: that come out of the second-level cache.
    """

    tile: Tile
    instructions: float
    wavefronts: float
    bytes: float

    def cycles(self, gpu: Gpu) -> dict[str, float]:
        """What each part of the multiprocessor needs; the largest is the least that a slab takes."""
        of_multiprocessor = gpu.l2_rate / gpu.clock / gpu.multiprocessors
        return {
            "tensor": self.tile.pixels * self.tile.out_channels * self.tile.chunk * SLAB / gpu.products(self.tile.type),
            "shared": self.wavefronts * WARP * 4 / SHARED_BYTES,
            "issue": self.instructions * _warps(self.tile) / ISSUED,
            "L2": self.bytes / of_multiprocessor,
        }

    def bound(self, gpu: Gpu) -> float:
        """Cycles of the slowest part."""
        return max(self.cycles(gpu).values())

    def computed(self, gpu: Gpu) -> float:
        """Share of the tensor cores' peak that it leaves."""
        return self.cycles(gpu)["tensor"] / self.bound(gpu)


def slab_cost(tile: Tile, loop: Loop) -> SlabCost:
    """By the loop's own instructions."""
    slabs = loop.count("HMMA") / products(tile)
    wavefronts = sum(_wavefronts(name) * count for name, count in loop.names.items())
    pieces = pixel_pieces(tile) + weight_pieces(tile)
    return SlabCost(tile, len(loop.operations) / slabs, wavefronts * _warps(tile) / slabs, pieces * PIECE)


def slab_costs(tiles: Mapping[str, Tile], kernels: Mapping[str, Kernel]) -> dict[str, SlabCost]:
    """Of all kernels with tensor cores."""
    loops = {name: kernels[name].product_loop for name in tiles}
    return {name: slab_cost(tiles[name], loop) for name, loop in loops.items() if loop}


def channel_last(tile: Tile, loop: Loop) -> SlabCost:
    """ESTIMATE of halo's loop if X lay in chunks: no transposing, and one pixel around the tile instead of eight.

    The copies of pixels shrink with the pixels; each was one instruction and four wavefronts of a warp.
    """
    cost = slab_cost(tile, loop)
    transposing = [op for op in loop.operations if op.name.startswith(("LDSM.16.MT88", "STS"))]
    wavefronts = sum(_wavefronts(op.name) for op in transposing) * _warps(tile)
    fewer = pixel_pieces(tile) - (tile.rows + 2) * (tile.columns + 2)
    return replace(
        cost,
        instructions=cost.instructions - len(transposing) - fewer / WARP / _warps(tile),
        wavefronts=cost.wavefronts - wavefronts - fewer * PIECE / SHARED_BYTES,
        bytes=cost.bytes - fewer * PIECE,
    )


def _warps(tile: Tile) -> int:
    return tile.pixels // tile.warp_pixels * (tile.out_channels // tile.warp_channels)


def _wavefronts(name: str) -> int:
    """Of an instruction of a warp, without conflicts; the tests hold the kernels to that."""
    kind = name.split(".")[0]
    if kind == "LDSM":
        return int(name[-1])  # matrices of 128 bytes
    if kind not in ("LDS", "STS", "LDGSTS"):
        return 0
    width = re.search(r"\.(64|128)$", name)
    return int(width[1]) // 32 if width else 1
