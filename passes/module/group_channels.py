"""Put channels that want the same weights into one block, so that sharing costs little."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import torch
from torch import Tensor

from cct.passes.module.tiling import adjacent_blocks

_ROUNDING = 1e-6  # of sums; what differs by less is the same, as the two ways to exchange one of two are
_PATIENCE = 12  # rounds without a better swap before giving up
_CHUNK = 2**20  # numbers that are compared at once, to bound memory; one pair of blocks at least
_WORK = 2**27  # numbers that swaps compare in all per layer, to bound time
_CANDIDATES = 512  # channels, the strongest left, that a growing block looks at, likewise


def group_channels(scores: Tensor, block: int, groups: int, entries: int, keep: float, seed: int) -> Tensor:
    """Group output channels by hill climbing on what their blocks will keep; input channels likewise, as (I, rows, K).

    A block keeps the sum, over its `keep` best columns, of its `entries` best positions there. Rounds of trial swaps:
    blocks are paired at random, and each pair makes the one exchange of two channels that gains most, if any gains.

    Args:
        scores: importance of the weights, summed over the block's input channels: (O, columns, K).
        block: output channels per block.
        groups: groups of the convolution; a block stays inside one.
        entries: positions that a column keeps of its K, 1..K.
        keep: share of the columns that will stay, 0..1.
        seed: for the pairing.

    Returns:
        int64 (O,): the row of each output channel, as in `Blocks.row`. The last row of a group is smaller where the
        channels are no multiple of the block; it holds the last channels.
    """
    per_group = scores.shape[0] // groups
    labels = adjacent_blocks(per_group, block)
    rows = -(-per_group // block)
    full = per_group // block
    if block == 1 or full < 2:
        return torch.cat([labels + group * rows for group in range(groups)]).to(scores.device)
    generator = torch.Generator().manual_seed(seed)
    count = max(1, round(keep * scores.shape[1]))
    parts = []
    # on the CPU, wherever the network is: the same blocks everywhere, and more small steps than a GPU likes
    exact = scores.dtype if scores.dtype == torch.float64 else torch.float32
    for group, part in enumerate(torch.split(scores.detach().to("cpu", exact), per_group)):
        evidence = part[: full * block].movedim(2, 0).contiguous()  # what is compared lies side by side
        members = _swap(evidence, _start(evidence, block, entries, count), entries, count, generator)
        labels = labels.clone()
        labels[members.flatten()] = torch.arange(full).repeat_interleave(block)
        parts.append(labels + group * rows)
    return torch.cat(parts).to(scores.device)


def _kept(sums: Tensor, entries: int, count: int) -> Tensor:
    """What blocks (K, ..., columns) keep: (...)."""
    columns = _sum_of_largest(sums, entries)
    # numpy partitions by vectors, 5 times as fast as topk. In what order depends on the processor: float64 hides that
    first = columns.shape[-1] - count
    parted = torch.from_numpy(np.partition(columns.numpy(), first, axis=-1))
    return parted[..., first:].sum(-1, dtype=torch.float64).to(columns.dtype)


def _sum_of_largest(values: Tensor, count: int) -> Tensor:
    """Over the first dimension, which is short: each value sinks through the largest before it."""
    largest: list[Tensor] = []
    for value in values:
        for place, other in enumerate(largest):
            largest[place], value = torch.maximum(value, other), torch.minimum(value, other)
        if len(largest) < count:
            largest.append(value)
    return reduce(add, largest)


def _start(evidence: Tensor, block: int, entries: int, count: int) -> Tensor:
    """Grow blocks one by one: the strongest channel left, then each time the one that adds most. (rows, block)."""
    left = _kept(evidence, entries, count).sort(descending=True, stable=True).indices
    at_once = max(1, _CHUNK // evidence[:, 0].numel())
    members = []
    while len(left):
        chosen, left = left[:1], left[1:]
        total = evidence[:, chosen]
        for _ in range(block - 1):
            parts = torch.split(left[:_CANDIDATES], at_once)
            best = int(torch.cat([_kept(total + evidence[:, part], entries, count) for part in parts]).argmax())
            total = total + evidence[:, left[best : best + 1]]
            chosen = torch.cat([chosen, left[best : best + 1]])
            left = torch.cat([left[:best], left[best + 1 :]])
        members.append(chosen)
    return torch.stack(members)


def _swap(evidence: Tensor, members: Tensor, entries: int, count: int, generator: torch.Generator) -> Tensor:
    """Exchange channels between random pairs of blocks while something is gained. (rows, block)."""
    rows, block = members.shape
    sums = evidence[:, members].sum(2)
    kept = _kept(sums, entries, count)
    pairs = rows // 2
    per_pair = 2 * block * block * evidence[:, 0].numel()
    at_once = max(1, _CHUNK // per_pair)
    idle = 0
    for _ in range(max(1, _WORK // (pairs * per_pair))):
        if idle == _PATIENCE:
            break
        order = torch.randperm(rows, generator=generator)
        gained = False
        for part in range(0, pairs, at_once):
            a = order[:pairs][part : part + at_once]
            b = order[pairs : 2 * pairs][part : part + at_once]
            # (K, pair, place in a, place in b, columns): what moves from a to b
            move = evidence[:, members[a]][:, :, :, None] - evidence[:, members[b]][:, :, None]
            kept_a = _kept(sums[:, a][:, :, None, None] - move, entries, count)
            kept_b = _kept(sums[:, b][:, :, None, None] + move, entries, count)
            gain = (kept_a + kept_b).flatten(1)
            best = gain.amax(1)
            place = (gain >= best[:, None] * (1 - _ROUNDING)).int().argmax(1)  # the first: rounding decides nothing
            better = best > (kept[a] + kept[b]) * (1 + _ROUNDING)
            if not better.any():
                continue
            gained = True
            a, b, place = a[better], b[better], place[better]
            i, j = place // block, place % block
            members[a, i], members[b, j] = members[b, j], members[a, i]
            for changed in (a, b):
                sums[:, changed] = evidence[:, members[changed]].sum(2)
                kept[changed] = _kept(sums[:, changed], entries, count)
        idle = 0 if gained else idle + 1
    return members
