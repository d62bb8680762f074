"""Masks, patterns and packed weights: the arrays of both operators, in numpy alone.

A dense weight is (O, C/group, kh, kw). `pack` stores its non-zeros by a `Layout`, `unpack` is the inverse, and `check`
refuses arrays that break the rules of docs/operator.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cct.errors import OperatorError
from cct.operator.layout import Layout

MAX_PATTERNS = 256  # an index into the pool is one byte

Ints = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Packed:
    """The weights of one PatternConv; the names are those of the operator's inputs and attributes.

    Attributes:
        W: (K, bi * entries, bo), the kept weights, in a type that `cct.operator.types` knows, or int8.
        filters: int32 (K), block of output channels.
        channels: int32 (K), block of input channels within the group.
        patterns: uint8 (K), row of `pool`.
        order, in_order: see `Layout`.
        pool: int64 (patterns, entries), positions row-major, strictly ascending.
    """

    W: NDArray[Any]
    filters: Ints
    channels: Ints
    patterns: NDArray[np.uint8]
    order: Ints
    in_order: Ints
    pool: NDArray[np.int64]
    block: tuple[int, int]
    kernel_shape: tuple[int, int]
    group: int
    in_channels: int
    out_channels: int

    @property
    def entries(self) -> int:
        """Kept weights of one pattern."""
        return int(self.pool.shape[1])

    @property
    def stored(self) -> int:
        """Number of weights in W, padding included."""
        return int(self.W.size)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, indices included."""
        arrays = (self.W, self.filters, self.channels, self.patterns, self.order, self.in_order)
        return sum(a.nbytes for a in arrays)


def pack(weight: NDArray[Any], layout: Layout, group: int = 1) -> Packed:
    """Store the non-zeros of `weight` (O, C/group, kh, kw) in the given layout.

    Raises:
        OperatorError: some kernel does not fit the entries of the layout, or the pool passes 256 patterns.
    """
    O, C, kh, kw = weight.shape
    taps, (bo, bi), entries = kh * kw, layout.block, layout.entries
    places = _gather(weight.reshape(O, C, taps), layout, group)  # (filters, channels, bi, taps, bo)
    masks = (places != 0).any(axis=(2, 4))
    found = np.argwhere(masks.any(-1))
    codes, which = np.unique(np.packbits(masks[tuple(found.T)], axis=-1), axis=0, return_inverse=True)
    parts = [_cover(np.unpackbits(c, count=taps).astype(bool), entries) for c in codes]
    pool = np.array(sorted({p for part in parts for p in part}) or [tuple(range(entries))], np.int64)
    if len(pool) > MAX_PATTERNS:
        raise OperatorError(f"the weights need {len(pool)} patterns of {entries} entries; a pool holds {MAX_PATTERNS}")
    index = {tuple(int(t) for t in p): i for i, p in enumerate(pool)}
    ids = [sorted(index[p] for p in part) for part in parts]
    rows = [(f, c, i) for (f, c), w in zip(found.tolist(), which.reshape(-1), strict=True) for i in ids[w]]
    filters, channels, patterns = np.array(rows, np.int64).reshape(-1, 3).T
    kept = places[filters[:, None], channels[:, None], :, pool[patterns]]  # (K, entries, bi, bo)
    return Packed(
        W=np.ascontiguousarray(kept.transpose(0, 2, 1, 3)).reshape(-1, bi * entries, bo),
        filters=filters.astype(np.int32),
        channels=channels.astype(np.int32),
        patterns=patterns.astype(np.uint8),
        order=layout.order,
        in_order=layout.in_order,
        pool=pool,
        block=layout.block,
        kernel_shape=(kh, kw),
        group=group,
        in_channels=C * group,
        out_channels=O,
    )


def unpack(packed: Packed) -> NDArray[Any]:
    """The dense weight (O, C/group, kh, kw) that `packed` stands for; absent weights are zero."""
    p, (bo, bi) = packed, packed.block
    per_group = p.in_channels // p.group
    taps = p.kernel_shape[0] * p.kernel_shape[1]
    dense = np.zeros((p.out_channels, per_group, taps), p.W.dtype)
    group = p.filters // (len(p.order) // (p.group * bo))
    outputs = p.order.reshape(-1, bo)[p.filters]  # (K, bo)
    block_in = group * (len(p.in_order) // (p.group * bi)) + p.channels
    inputs = p.in_order.reshape(-1, bi)[block_in] - (group * per_group)[:, None]  # (K, bi)
    real = (outputs[:, None, None, :] >= 0) & (p.in_order.reshape(-1, bi)[block_in] >= 0)[:, :, None, None]
    shape = (len(p.W), bi, p.entries, bo)
    at = np.broadcast_arrays(
        outputs[:, None, None, :], inputs[:, :, None, None], p.pool[p.patterns][:, None, :, None], real
    )
    o, i, t, real = (np.broadcast_to(a, shape) for a in at)
    np.add.at(dense, (o[real], i[real], t[real]), p.W.reshape(shape)[real])
    return dense.reshape(p.out_channels, per_group, *p.kernel_shape)


def check(packed: Packed) -> None:
    """Refuse arrays that break the rules of the operator; the library checks the same again.

    Raises:
        OperatorError: the first rule that is broken, with the numbers.
    """
    p, (bo, bi), taps = packed, packed.block, packed.kernel_shape[0] * packed.kernel_shape[1]
    if min(bo, bi, p.group, p.in_channels, p.out_channels, *p.kernel_shape) < 1:
        raise OperatorError(
            f"block {p.block}, group {p.group}, channels {p.in_channels} -> {p.out_channels}: all must be >= 1"
        )
    if p.in_channels % p.group or p.out_channels % p.group:
        raise OperatorError(f"channels {p.in_channels} -> {p.out_channels} do not divide into {p.group} groups")
    if p.pool.ndim != 2 or not 1 <= len(p.pool) <= MAX_PATTERNS or not 1 <= p.entries <= taps:
        raise OperatorError(f"pool of shape {p.pool.shape}: 1 to {MAX_PATTERNS} patterns of 1 to {taps} entries")
    if p.pool.min() < 0 or p.pool.max() >= taps or (np.diff(p.pool, axis=1) <= 0).any():
        raise OperatorError(f"pool: each pattern must be strictly ascending within 0..{taps - 1}")
    blocks_out = _check_places("order", p.order, p.out_channels, p.group, bo)
    blocks_in = _check_places("in_order", p.in_order, p.in_channels, p.group, bi)
    kept = p.filters.size
    rows = (p.filters, p.channels, p.patterns)
    if p.W.shape != (kept, bi * p.entries, bo) or any(row.shape != (kept,) for row in rows):
        raise OperatorError(
            f"W {p.W.shape}, filters {p.filters.shape}, channels {p.channels.shape}, patterns {p.patterns.shape}: "
            f"must be (K, {bi * p.entries}, {bo}) and (K) three times"
        )
    for name, ids, limit in (
        ("filters", p.filters, p.group * blocks_out),
        ("channels", p.channels, blocks_in),
        ("patterns", p.patterns, len(p.pool)),
    ):
        if kept and (ids.min() < 0 or ids.max() >= limit):
            raise OperatorError(f"{name}: values {ids.min()}..{ids.max()} must be within 0..{limit - 1}")
    kernel = p.filters.astype(np.int64) * blocks_in + p.channels
    if (np.diff(kernel * MAX_PATTERNS + p.patterns) <= 0).any():
        raise OperatorError("(filters, channels, patterns) must be strictly ascending")
    # Positions by their rank in the pool, since a forged file can make them huge.
    positions, place = np.unique(p.pool, return_inverse=True)
    used = np.sort((kernel[:, None] * len(positions) + place.reshape(p.pool.shape)[p.patterns]).reshape(-1))
    if (np.diff(used) == 0).any():
        raise OperatorError("patterns of one kernel overlap")
    on_padding = p.order.reshape(-1, bo)[p.filters][:, None, None, :] < 0
    block_in = p.filters // blocks_out * blocks_in + p.channels
    on_padding = on_padding | (p.in_order.reshape(-1, bi)[block_in][:, :, None, None] < 0)
    if (p.W.reshape(kept, bi, p.entries, bo)[np.broadcast_to(on_padding, (kept, bi, p.entries, bo))] != 0).any():
        raise OperatorError("W must be zero on padding")


def _check_places(name: str, places: Ints, channels: int, group: int, size: int) -> int:
    """Check one of the two orders; returns its number of blocks in a group."""
    per_group = channels // group
    blocks = -(-per_group // size)
    if places.shape != (group * blocks * size,):
        raise OperatorError(f"{name}: {places.shape} places, must be ({group * blocks * size},)")
    for g, part in enumerate(places.reshape(group, -1)):
        if sorted(part[part != -1].tolist()) != list(range(g * per_group, (g + 1) * per_group)):
            raise OperatorError(f"{name}: group {g} must hold each of its {per_group} channels once, and -1 elsewhere")
    return blocks


def _cover(mask: Mask, entries: int) -> list[tuple[int, ...]]:
    """Patterns of `entries` positions that do not overlap and hold all of `mask`."""
    kept, rest = np.flatnonzero(mask).tolist(), np.flatnonzero(~mask).tolist()
    missing = -len(kept) % entries
    if missing > len(rest):
        raise OperatorError(
            f"a kernel with {len(kept)} of {len(mask)} weights does not split into {entries} entries each"
        )
    cut = len(kept) // entries * entries
    parts = [kept[i : i + entries] for i in range(0, cut, entries)]
    if missing:
        parts.append(sorted(kept[cut:] + rest[:missing]))
    return [tuple(p) for p in parts]


def _gather(weight: NDArray[Any], layout: Layout, group: int) -> NDArray[Any]:
    """Weights by place: (O, C, taps) -> (blocks of outputs, blocks of inputs, bi, taps, bo), zero on padding."""
    (O, C, taps), (bo, bi) = weight.shape, layout.block
    padded = np.zeros((O + 1, C + 1, taps), weight.dtype)
    padded[:O, :C] = weight
    columns = layout.in_order.reshape(group, -1)
    columns = np.where(columns < 0, C, columns - np.arange(group)[:, None] * C)
    rows = np.where(layout.order < 0, O, layout.order).reshape(group, -1)
    placed = np.stack([padded[r[:, None], c[None, :]] for r, c in zip(rows, columns, strict=True)])
    blocks = placed.reshape(-1, bo, columns.shape[1] // bi, bi, taps)
    return np.asarray(blocks.transpose(0, 2, 3, 4, 1))
