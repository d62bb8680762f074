"""Put channels that want the same weights into one block, so that sharing costs little."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cct.passes.blocks import adjacent_blocks

_ROUNDING = 1e-6  # of sums; what differs by less is the same, as the two ways to exchange one of two are
_PATIENCE = 12  # rounds without a better swap before giving up
_CHUNK = 2**24  # numbers that are compared at once, to bound memory
_WORK = 2**27  # numbers that swaps compare in all per layer, to bound time; 2**30 keep a thousandth more of 512 x 512
_CANDIDATES = 512  # channels, the strongest left, that a growing block looks at, likewise


def group_channels(scores: Tensor, block: int, groups: int, pool: Tensor, keep: float, seed: int) -> Tensor:
    """Group output channels by hill climbing on what their blocks will keep; input channels likewise, as (I, rows, K).

    A block keeps the sum, over its `keep` best columns, of what the best pattern retains there. Rounds of trial swaps:
    blocks are paired at random, and each pair makes the one exchange of two channels that gains most, if any gains.

    Args:
        scores: importance of the weights, summed over the block's input channels: (O, columns, K).
        block: output channels per block.
        groups: groups of the convolution; a block stays inside one.
        pool: 1 where a pattern keeps, (P, K); one row of ones where whole kernels stay or go.
        keep: share of the columns that will stay, 0..1.
        seed: for the pairing.

    Returns:
        int64 (O,): the row of each output channel, as in `Blocks.row`. The last row of a group is smaller where the
        channels are no multiple of the block; it holds the last channels.
    """
    per_group = scores.shape[0] // groups
    labels = adjacent_blocks(per_group, block).to(scores.device)
    rows = -(-per_group // block)
    full = per_group // block
    if block == 1 or full < 2:
        return torch.cat([labels + group * rows for group in range(groups)])
    generator = torch.Generator().manual_seed(seed)
    count = max(1, round(keep * scores.shape[1]))
    parts = []
    for group, part in enumerate(torch.split(scores, per_group)):
        evidence = part[: full * block] @ pool.T
        members = _swap(evidence, _start(evidence, block, count), count, generator)
        labels = labels.clone()
        labels[members.flatten()] = torch.arange(full, device=labels.device).repeat_interleave(block)
        parts.append(labels + group * rows)
    return torch.cat(parts)


def _kept(sums: Tensor, count: int) -> Tensor:
    """What blocks (..., columns, P) keep: (...)."""
    columns = sums.amax(-1)
    if columns.device.type == "cpu":  # numpy partitions by vectors: 5 times as fast as topk, which is most of the time
        first = columns.shape[-1] - count
        return torch.from_numpy(np.partition(columns.numpy(), first, axis=-1))[..., first:].sum(-1)
    return columns.topk(count, dim=-1, sorted=False).values.sum(-1)


def _start(evidence: Tensor, block: int, count: int) -> Tensor:
    """Grow blocks one by one: the strongest channel left, then each time the one that adds most. (rows, block)."""
    left = _kept(evidence, count).sort(descending=True, stable=True).indices
    members = []
    while len(left):
        chosen, left = left[:1], left[1:]
        total = evidence[chosen[0]]
        for _ in range(block - 1):
            parts = _chunks(left[:_CANDIDATES], evidence)
            best = int(torch.cat([_kept(total + evidence[part], count) for part in parts]).argmax())
            total = total + evidence[left[best]]
            chosen = torch.cat([chosen, left[best : best + 1]])
            left = torch.cat([left[:best], left[best + 1 :]])
        members.append(chosen)
    return torch.stack(members)


def _swap(evidence: Tensor, members: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Exchange channels between random pairs of blocks while something is gained. (rows, block)."""
    rows, block = members.shape
    sums = evidence[members].sum(1)
    kept = _kept(sums, count)
    pairs = rows // 2
    per_pair = 2 * block * block * evidence[0].numel()
    at_once = max(1, _CHUNK // per_pair)
    idle = 0
    for _ in range(max(1, _WORK // (pairs * per_pair))):
        if idle == _PATIENCE:
            break
        order = torch.randperm(rows, generator=generator).to(members.device)
        gained = False
        for part in range(0, pairs, at_once):
            a = order[:pairs][part : part + at_once]
            b = order[pairs : 2 * pairs][part : part + at_once]
            # (pair, place in a, place in b, columns, P): what moves from a to b
            move = evidence[members[a]][:, :, None] - evidence[members[b]][:, None]
            kept_a = _kept(sums[a][:, None, None] - move, count)
            kept_b = _kept(sums[b][:, None, None] + move, count)
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
                sums[changed] = evidence[members[changed]].sum(1)
                kept[changed] = _kept(sums[changed], count)
        idle = 0 if gained else idle + 1
    return members


def _chunks(index: Tensor, evidence: Tensor) -> tuple[Tensor, ...]:
    return torch.split(index, max(1, _CHUNK // evidence[0].numel()))
