"""The tables and weights of the kernels, made from a packed convolution the simplest way: by its dense weight."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cct.operator.packed import Packed, unpack
from tests.native.cuda.launch import QUAD, SLAB_STEPS, Tile
from tests.native.cuda.tf32 import to_tf32

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Geometry:
    """Strides, pads (top, left, bottom, right) and dilations."""

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)

    def tap(self, packed: Packed, position: int) -> tuple[int, int]:
        """Row and column of X that a position reads for output pixel (0, 0)."""
        row, column = divmod(position, packed.kernel_shape[1])
        return row * self.dilations[0] - self.pads[0], column * self.dilations[1] - self.pads[1]


@dataclass(frozen=True)
class SlabTables:
    """Arrays of launch.h's Slabs and Ending, and `inputs`."""

    weights: NDArray[np.floating]
    steps: Ints
    counts: Ints
    taps: Ints
    inputs: Ints
    outputs: Ints
    bias: NDArray[np.float32]


def kept(packed: Packed) -> NDArray[np.bool_]:
    """Which weights of the dense kernel are stored: O x C/group x positions."""
    ones = unpack(replace(packed, W=np.ones_like(packed.W)))
    return (ones > 0).reshape(*ones.shape[:2], -1)


def places(order: Ints, group: int, multiple: int) -> Ints:
    """The order of each group, filled up with -1 to a multiple: group x places."""
    rows = order.reshape(group, -1)
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % multiple)), constant_values=-1)


def slab_tables(packed: Packed, bias: NDArray[np.floating], geometry: Geometry, tile_of: Tile) -> SlabTables:
    """Every chunk at every position that any kernel of the out tile keeps there."""
    bn, chunk_size = tile_of.out_channels, tile_of.chunk
    dense, mask = unpack(packed), kept(packed)
    dense = to_tf32(dense) if tile_of.type == "tf32" else dense
    dense = dense.reshape(mask.shape)
    positions = np.flatnonzero(mask.any((0, 1)))
    inputs = places(packed.in_order, packed.group, chunk_size).reshape(packed.group, -1, chunk_size)
    outputs = places(packed.order, packed.group, bn).reshape(packed.group, -1, bn)
    per_group = packed.in_channels // packed.group

    def block(array: NDArray[np.floating], g: int, tile: int, chunk: int, position: int) -> NDArray[np.floating]:
        """BN x the chunk's weights, zero on padding."""
        o, c = outputs[g, tile], inputs[g, chunk]
        of_group = np.where(c < 0, 0, c - g * per_group)
        return np.where((o < 0)[:, None] | (c < 0)[None], 0, array[np.maximum(o, 0)][:, of_group, position])

    every: list[list[list[tuple[int, int, NDArray[np.floating]]]]] = []  # out tiles of slabs of (chunk, tap, weights)
    for g, tile in np.ndindex(*outputs.shape[:2]):
        steps: list[list[tuple[int, int, NDArray[np.floating]]]] = []  # of each chunk
        for chunk in range(inputs.shape[1]):
            steps.append([])
            for t, position in enumerate(positions.tolist()):
                if block(mask, g, tile, chunk, position).any():
                    weights = block(dense, g, tile, chunk, position)
                    steps[-1].append((g * inputs.shape[1] + chunk, t, weights))
        if mask.shape[2] == 1:
            steps = [[step for of_chunk in steps for step in of_chunk]]
        slabs = []
        for of_chunk in steps:
            while len(of_chunk) % SLAB_STEPS:
                of_chunk.append((*of_chunk[-1][:2], np.zeros_like(of_chunk[-1][2])))
            slabs += [of_chunk[i : i + SLAB_STEPS] for i in range(0, len(of_chunk), SLAB_STEPS)]
        every.append(slabs)

    most = max(1, *map(len, every))
    shape = (len(every), most, bn, SLAB_STEPS, chunk_size)
    weights = np.full(shape, np.nan, tile_of.number)  # not to be read beyond `counts`
    table = np.full((len(every), most, SLAB_STEPS, 2), -(2**30), np.int32)
    for tile, slabs in enumerate(every):
        for s, slab in enumerate(slabs):
            for i, (chunk, tap, values) in enumerate(slab):
                weights[tile, s, :, i], table[tile, s, i] = values, (chunk, tap)
    o = outputs.reshape(-1)
    return SlabTables(
        weights=weights,
        steps=table,
        counts=np.array([len(slabs) for slabs in every], np.int32),
        taps=np.array([geometry.tap(packed, p) for p in positions.tolist()], np.int32).reshape(-1, 2),
        inputs=inputs.reshape(-1, chunk_size),
        outputs=o,
        bias=np.where(o < 0, 0, bias[np.maximum(o, 0)]).astype(np.float32),
    )


@dataclass(frozen=True)
class PlainTables:
    """Arrays of launch.h's PlainArguments; a tap is (channel, row, column, unused, 4 weights' bits)."""

    taps: Ints
    first: Ints
    outputs: Ints
    bias: NDArray[np.float32]


def plain_tables(packed: Packed, bias: NDArray[np.floating], geometry: Geometry) -> PlainTables:
    """Every weight that any output of a quad keeps."""
    dense, mask = unpack(packed).astype(np.float32), kept(packed)
    dense = dense.reshape(mask.shape)
    outputs = places(packed.order, packed.group, QUAD).reshape(packed.group, -1, QUAD)
    per_group = packed.in_channels // packed.group
    rows, first = [], [0]
    for g, quad in np.ndindex(*outputs.shape[:2]):
        o = outputs[g, quad]
        for c, position in np.argwhere(mask[o[o >= 0]].any(0)).tolist():
            weights = np.where(o < 0, 0, dense[np.maximum(o, 0), c, position]).astype(np.float32)
            rows.append([g * per_group + c, *geometry.tap(packed, position), 0, *weights.view(np.int32).tolist()])
        first.append(len(rows))
    o = outputs.reshape(-1)
    return PlainTables(
        taps=np.array(rows, np.int32).reshape(-1, 8),
        first=np.array(first, np.int32),
        outputs=o,
        bias=np.where(o < 0, 0, bias[np.maximum(o, 0)]).astype(np.float32),
    )
