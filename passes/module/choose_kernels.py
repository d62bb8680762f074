"""Connectivity: which blocks of kernels stay, so that the network keeps as many weights as asked."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def choose_kernels(
    ranks: Mapping[str, Tensor], sizes: Mapping[str, Tensor], budget: int, floor: float
) -> dict[str, Tensor]:
    """Keep the blocks that rank highest over all layers until `budget` weights are kept.

    The last block is taken if that comes closer to the budget than leaving it. What the floor protects stays even if
    the floors of all layers, each rounded to whole blocks, come to more than the budget: no layer dies.

    Args:
        ranks: the higher, the sooner a block stays: (rows, columns, U) per layer; U is 1 for whole blocks.
        sizes: weights that each block would keep, int64, the same shape.
        budget: weights to keep in all layers together.
        floor: share of the mean share that every layer keeps in any case, 0..1; one block at least.

    Returns:
        bool per layer, the same shape, on the device of the sizes, True where the block stays.
    """
    share = budget / sum(int(size.sum()) for size in sizes.values())
    own = {n: _take(rank, sizes[n].to(rank.device), floor * share * int(sizes[n].sum())) for n, rank in ranks.items()}
    # What the floor protects stands before everything else, whatever its rank.
    ranked = torch.cat([torch.where(own[name], torch.inf, rank).flatten().cpu() for name, rank in ranks.items()])
    protected = int(ranked.isinf().sum())
    kept = _take(ranked, torch.cat([sizes[name].flatten().cpu() for name in ranks]), budget, protected)
    parts = torch.split(kept, [rank.numel() for rank in ranks.values()])
    return {name: part.view_as(sizes[name]).to(sizes[name].device) for name, part in zip(ranks, parts, strict=True)}


def _take(ranks: Tensor, sizes: Tensor, budget: float, least: int = 1) -> Tensor:
    """Mark the entries that rank highest, as many as fit the budget best; `least` at least."""
    order = ranks.flatten().sort(descending=True, stable=True).indices
    filled = sizes.flatten()[order].cumsum(0)
    count = int((filled <= budget).sum())
    if count < len(filled):
        below = budget - (float(filled[count - 1]) if count else 0.0)
        if float(filled[count]) - budget < below:
            count += 1
    count = max(count, least)
    mask = torch.zeros(ranks.numel(), dtype=torch.bool, device=ranks.device)
    mask[order[:count]] = True
    return mask.view_as(ranks)
