"""Connectivity: which blocks of kernels stay, so that the network keeps as many weights as asked."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def choose_kernels(
    scores: Mapping[str, Tensor], sizes: Mapping[str, Tensor], budget: int, uniform: bool, floor: float
) -> dict[str, Tensor]:
    """Keep the blocks that matter most per weight until `budget` weights are kept.

    The last block is taken if that comes closer to the budget than leaving it. What the floor protects stays even if
    the floors of all layers, each rounded to whole blocks, come to more than the budget: no layer dies.

    Args:
        scores: importance that each block of a layer would keep, (rows, columns, U); U is 1 for whole blocks.
        sizes: weights that it would keep, int64, the same shape.
        budget: weights to keep in all layers together.
        uniform: whether every layer keeps the same share of its weights (ClickTrain), to a block or two; else one
            ranking over all layers.
        floor: share of the mean share that every layer keeps in any case, 0..1; one block at least.

    Returns:
        bool per layer, the same shape, True where the block stays.
    """
    share = budget / sum(int(size.sum()) for size in sizes.values())
    density = {name: score / sizes[name] for name, score in scores.items()}
    if uniform:
        density, floor = {name: -_depth(d, sizes[name]) for name, d in density.items()}, 0.0
    own = {n: _take(d, sizes[n].to(d.device), floor * share * int(sizes[n].sum())) for n, d in density.items()}
    # What the floor protects stands before everything else, whatever its score.
    ranked = torch.cat([torch.where(own[name], torch.inf, d).flatten().cpu() for name, d in density.items()])
    protected = int(ranked.isinf().sum())
    kept = _take(ranked, torch.cat([sizes[name].flatten().cpu() for name in density]), budget, protected)
    parts = torch.split(kept, [score.numel() for score in scores.values()])
    return {name: part.view_as(s).to(s.device) for (name, s), part in zip(scores.items(), parts, strict=True)}


def _depth(density: Tensor, sizes: Tensor) -> Tensor:
    """How deep in its layer's ranking a block lies: the share of the weights that go before its middle, 0..1.

    What is gone lies 1 deeper, behind what is left of all layers. On the CPU: not every GPU has float64.
    """
    flat = density.flatten().cpu()
    order = flat.sort(descending=True, stable=True).indices
    ranked = sizes.flatten().cpu()[order]
    middle = (2 * ranked.cumsum(0) - ranked).double() / (2 * int(ranked.sum()))
    depth = torch.empty_like(middle).index_copy_(0, order, middle)
    return torch.where(flat > 0, depth, 1 + depth).view_as(density)


def _take(density: Tensor, sizes: Tensor, budget: float, least: int = 1) -> Tensor:
    """Mark the densest entries, as many as fit the budget best; `least` at least."""
    order = density.flatten().sort(descending=True, stable=True).indices
    filled = sizes.flatten()[order].cumsum(0)
    count = int((filled <= budget).sum())
    if count < len(filled):
        below = budget - (float(filled[count - 1]) if count else 0.0)
        if float(filled[count]) - budget < below:
            count += 1
    count = max(count, least)
    mask = torch.zeros(density.numel(), dtype=torch.bool, device=density.device)
    mask[order[:count]] = True
    return mask.view_as(density)
