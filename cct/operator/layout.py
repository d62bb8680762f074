"""How a weight is cut into blocks: which channels stand together and how many entries a pattern has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCKS_OUT = (64, 32, 16, 8, 4, 2, 1)
BLOCKS_IN = (8, 4, 2, 1)

Ints = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Layout:
    """How a weight is cut into blocks.

    Attributes:
        block: output x input channels that share patterns and connectivity.
        order: int32 (group * ceil(O/group/bo) * bo), output channel at each place, -1 on padding.
        in_order: int32 (group * ceil(C/group/bi) * bi), input channel of X at each place, -1 on padding.
        entries: kept weights of one pattern.
    """

    block: tuple[int, int]
    order: Ints
    in_order: Ints
    entries: int


def find_layout(weight: NDArray[Any], group: int = 1, weight_bytes: int = 4) -> Layout:
    """The largest block that wastes nothing, and the number of entries that stores it in the fewest bytes.

    A block of output channels wastes nothing when its channels have the same zeros (up to 1 % of the non-zeros, so that
    a kept weight which is zero by chance does not undo a block; the padding of a last, smaller block does not count).

    Args:
        weight: (O, C/group, kh, kw); its zeros say all.
        group: as ONNX Conv's.
        weight_bytes: of a stored weight, 4, 2 or 1.
    """
    O, C, kh, kw = weight.shape
    mask = (weight != 0).reshape(group, O // group, C, kh * kw)
    slack = mask.sum() // 100
    bo, rows = next(
        (size, orders)
        for size in BLOCKS_OUT
        if size <= O // group
        for orders in [[_arrange(m.reshape(len(m), -1), size) for m in mask]]
        if sum(waste for _, waste in orders) <= slack
    )
    order = _absolute([r for r, _ in rows], O // group)
    unions = _unions(mask, order, bo)  # (group, blocks of outputs, C, taps)
    slack = unions.sum() // 100
    bi, columns = next(
        (size, orders)
        for size in BLOCKS_IN
        if size <= C
        for orders in [[_arrange(u.transpose(1, 0, 2).reshape(C, -1), size) for u in unions]]
        if sum(waste for _, waste in orders) <= slack
    )
    in_order = _absolute([c for c, _ in columns], C)
    blocks = _unions(unions.transpose(0, 2, 1, 3), in_order, bi)
    return Layout((bo, bi), order, in_order, _choose_entries(blocks, bo * bi * weight_bytes))


def _arrange(rows: Mask, size: int) -> tuple[list[list[int]], int]:
    """Blocks of `size` alike rows and how many zeros they would store.

    Rows with the same zeros go together; what is left over joins its nearest neighbours, greedily. A row of zeros alone
    (a channel that a batch normalization switched off) fits any block.
    """
    _, kind = np.unique(np.packbits(rows, axis=1), axis=0, return_inverse=True)
    by_kind = np.argsort(kind.reshape(-1), kind="stable")
    runs = np.split(by_kind, np.flatnonzero(np.diff(kind.reshape(-1)[by_kind])) + 1)
    blocks = [run[i : i + size].tolist() for run in runs for i in range(0, len(run) // size * size, size)]
    left = np.array([r for run in runs for r in run[len(run) // size * size :]], np.int64)
    used: Mask = np.asarray(rows.any(1))
    left = left[np.argsort(~used[left], kind="stable")]  # rows of zeros last: they join whoever lacks a channel
    if len(left):
        common = rows[left].astype(np.float32)
        common = common @ common.T
        count = np.diag(common)
        distance = count[:, None] + count[None, :] - 2 * common
        distance[:, count == 0] = 0.5
        free = np.ones(len(left), bool)
        while free.any():
            first = int(np.flatnonzero(free)[0])
            near = np.argsort(np.where(free, distance[first], np.inf), kind="stable")[: min(size, int(free.sum()))]
            free[near] = False
            blocks.append(left[near].tolist())
    blocks.sort(key=lambda b: (len(b) < size, min(b)))  # the short block, if any, is the last
    waste = sum(int(rows[b].any(0).sum()) * int(used[b].sum()) - int(rows[b].sum()) for b in blocks)
    return [sorted(b) + [-1] * (size - len(b)) for b in blocks], waste


def _absolute(blocks: list[list[list[int]]], per_group: int) -> Ints:
    """Places of all groups, from blocks of channels within each group."""
    places = np.array(blocks, np.int32).reshape(len(blocks), -1)
    offset = np.arange(len(blocks), dtype=np.int32)[:, None] * per_group
    return np.where(places < 0, -1, places + offset).astype(np.int32).reshape(-1)


def _unions(mask: Mask, order: Ints, size: int) -> Mask:
    """Union over the blocks of the second axis: (group, n, m, taps) -> (group, n / size, m, taps)."""
    group, n, m, taps = mask.shape
    padded = np.concatenate([mask.reshape(group * n, m, taps), np.zeros((1, m, taps), bool)])
    return np.asarray(padded[order].reshape(group, -1, size, m, taps).any(2))


def _choose_entries(blocks: Mask, entry_bytes: int) -> int:
    """Entries per pattern for the fewest bytes; kernels above 3x3 keep all taps or none."""
    taps = int(blocks.shape[-1])
    if taps > 9:
        return taps
    count = blocks.sum(-1)
    sizes: dict[int, int] = {}
    for entries in range(taps, 0, -1):  # of equal sizes the most entries
        parts = -(-count // entries)
        if (parts * entries <= taps).all():
            sizes[entries] = int(parts.sum()) * (9 + entries * entry_bytes)
    return min(sizes, key=sizes.__getitem__)
