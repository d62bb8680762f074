"""ESTIMATE of a convolution's time: its slabs at the cost of the compiled loop, and what memory moves.

Left out: launches, the first slabs of a block until the pipeline is full, its end, and all waiting that other warps
don't hide. It is the time of a kernel that waits for nothing but the slowest part of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.gpu.gpus import Gpu
from benchmarks.gpu.layers import BYTES, DENSE, Layer
from benchmarks.gpu.loops import SlabCost
from tests.native.cuda.launch import Tile

LAYOUTS = ("NCHW", "pass", "channel-last")

# The rule of cct/native/cuda/cuda_plan.cpp, but for its first question: whether plain would be faster. It is not for
# blocks of 64x8 on these GPUs.
MOST_HALO_WASTE = 1.5
BLOCKS_AT_A_TIME, MOST_PARTS, FEWEST_SLABS = 2, 8, 8


@dataclass(frozen=True)
class Costs:
    """Of a slab in the kernels, by their names: as compiled, and those for channel-last input."""

    compiled: Mapping[str, SlabCost]
    channel_last: Mapping[str, SlabCost]


@dataclass(frozen=True)
class Work:
    """A convolution with some images and what is left of its weights."""

    layer: Layer
    batch: int
    reduction: float

    @property
    def pixels(self) -> int:
        """Of Y."""
        return self.batch * self.layer.out_size**2


@dataclass(frozen=True)
class Plan:
    """How a convolution runs.

    Attributes:
        cost: of a slab, in its kernel.
        tiles: of pixels.
        blocks: of a part.
        parts: of the sum.
        to_chunks: whether a pass over X comes first.
    """

    cost: SlabCost
    tiles: int
    blocks: int
    parts: int
    to_chunks: bool

    @property
    def launches(self) -> int:
        """Kernels."""
        return 1 + (self.parts > 1) + self.to_chunks

    def seconds(self, gpu: Gpu, work: Work) -> float:
        """Of all of them."""
        waves = -(-self.blocks * self.parts // gpu.multiprocessors)  # blocks that run at once share the machine
        slabs = -(-work.layer.slabs(work.reduction) // self.parts)
        computing = waves * slabs * self.cost.bound(gpu) / gpu.clock
        x, z, y = work.layer.read(work.batch), work.layer.added(work.batch), work.layer.written(work.batch)
        weights = work.layer.weight_bytes(work.reduction) / gpu.memory
        passes = 2 * moved(gpu, x) if self.to_chunks else 0.0
        result = moved(gpu, z) + moved(gpu, y)
        if self.parts > 1:
            partials = moved(gpu, 4 * work.pixels * work.layer.out_channels * self.parts)  # float32
            passes += partials + result
            result = partials
        return max(computing, moved(gpu, x) + weights + result) + passes


def moved(gpu: Gpu, size: float) -> float:
    """Seconds to move a tensor once: from or to memory, unless half the second-level cache holds it."""
    return size / (gpu.l2_rate if size <= gpu.l2 / 2 else gpu.memory)


def candidates(gpu: Gpu, costs: Costs, work: Work, layout: str) -> list[Plan]:
    """Each kernel that can run a convolution of this layout.

    Blocks of 64 output channels have patterns of their own, so that a wider tile would compute the union of two: pruned
    convolutions run tiles of 64. A dense one has either, in gather alone, as if gather read NCHW at no cost: a dense
    implicit product as good as ours.
    """
    dense = work.reduction == DENSE
    every = costs.channel_last if layout == "channel-last" else costs.compiled
    found = []
    for cost in every.values():
        tile = cost.tile
        if tile.type != work.layer.number or (not dense and tile.out_channels != 64):
            continue
        if tile.way != "gather" and (dense or not _reads(tile, work.layer, layout)):
            continue
        size = work.layer.out_size
        tiles = -(-work.pixels // tile.pixels)
        if tile.halo:
            tiles = work.batch * -(-size // tile.rows) * -(-size // tile.columns)
        blocks, parts = tiles * -(-work.layer.out_channels // tile.out_channels), 1
        if blocks < gpu.multiprocessors:
            most = work.layer.slabs(work.reduction) // FEWEST_SLABS
            parts = max(1, min(BLOCKS_AT_A_TIME * gpu.multiprocessors // blocks, most, MOST_PARTS))
        to_chunks = tile.way == "gather" and not dense and layout != "channel-last"
        found.append(Plan(cost, tiles, blocks, parts, to_chunks))
    return found


def chosen(gpu: Gpu, costs: Costs, work: Work) -> Plan:
    """By the library's rule; the fastest for a dense convolution."""
    found = candidates(gpu, costs, work, "NCHW")
    if work.reduction == DENSE:
        return fastest(gpu, work, found)
    halo = [plan for plan in found if plan.cost.tile.halo]
    least = min(halo, key=lambda plan: plan.tiles * plan.cost.tile.pixels, default=None)
    if least and least.tiles * least.cost.tile.pixels <= work.pixels * MOST_HALO_WASTE:
        return least
    flat = [plan for plan in found if plan.cost.tile.way == "pointwise"] or [
        plan for plan in found if plan.cost.tile.way == "gather"
    ]
    return next((plan for plan in flat if plan.blocks >= gpu.multiprocessors), flat[-1])


def fastest(gpu: Gpu, work: Work, plans: Iterable[Plan]) -> Plan:
    """Of some."""
    return min(plans, key=lambda plan: plan.seconds(gpu, work))


def chain_ends(gpu: Gpu, batch: int, tensors: Iterable[tuple[int, int]]) -> float:
    """Seconds of the passes that channel-last chains have at their ends: each tensor is read and written."""
    return sum(2 * moved(gpu, batch * channels * size**2 * BYTES["float16"]) for channels, size in tensors)


def _reads(tile: Tile, layer: Layer, layout: str) -> bool:
    """Whether a tile of halo or pointwise takes the layer: it copies the most pixels that divide rows or planes."""
    if layer.window != (3 if tile.halo else 1) or layer.stride != 1 or layout == "pass":
        return False
    if layout == "channel-last":
        return tile.halo
    return tile.copy_pixels == math.gcd(layer.size if tile.halo else layer.size**2, tile.chunk)
