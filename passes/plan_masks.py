"""From importance to masks: the pool, the blocks, their patterns, and then as many of them as may stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cct.passes.blocks import Blocks, adjacent_blocks
from cct.passes.choose_kernels import choose_kernels
from cct.passes.choose_patterns import choose_patterns
from cct.passes.choose_pool import ENTRIES, Pattern, frequent_pool, greedy_pool, pattern_matrix
from cct.passes.group_channels import group_channels
from cct.recipe import Recipe

PATTERN_COMPRESSION = 9 / ENTRIES  # what patterns alone reach; below it only whole kernels go

_GROUPING_POOL = 16  # patterns that are enough to compare channels by


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """What was decided about one convolution.

    Attributes:
        blocks: the tiling.
        pattern: 1 where a block's kernels keep a weight, (rows, columns, kh*kw).
        sizes: weights that a block keeps if it stays, int64 (rows, columns).
        mean: importance of the layer's weights on average, when it was planned.
    """

    blocks: Blocks
    pattern: Tensor
    sizes: Tensor
    mean: float


@dataclass(frozen=True, eq=False)
class Plan:
    """What was decided about a network.

    Attributes:
        pool: the patterns in use, empty if only whole kernels go.
        layers: by name of the convolution.
    """

    pool: tuple[Pattern, ...]
    layers: dict[str, LayerPlan]

    def connectivity(self, scores: Mapping[str, Tensor], budget: int, recipe: Recipe) -> dict[str, Tensor]:
        """Choose the blocks that stay: bool (rows, columns) per layer.

        Args:
            scores: importance now, (O, C/group, kh*kw) per layer.
            budget: weights to keep in all layers together.
            recipe: gives `connectivity` and `floor`.
        """
        kept = {}
        for name, layer in self.layers.items():
            kept[name] = (layer.blocks.gather(scores[name]) * layer.pattern).sum(2)
            if recipe.connectivity == "normalized":
                kept[name] /= max(layer.mean, 1e-30)
        sizes = {name: layer.sizes for name, layer in self.layers.items()}
        return choose_kernels(kept, sizes, budget, recipe.connectivity == "uniform", recipe.floor)

    def mask(self, name: str, connectivity: Tensor) -> Tensor:
        """The mask of a layer, (O, C/group, kh*kw), from what stays (rows, columns)."""
        layer = self.layers[name]
        return layer.blocks.spread(layer.pattern * connectivity[:, :, None])


def plan_masks(scores: Mapping[str, Tensor], groups: Mapping[str, int], recipe: Recipe) -> Plan:
    """Choose pool, blocks and patterns.

    3x3 kernels get patterns if the recipe's compression is 2.25 or more; all others stay or go whole, and so do 1x1.

    Args:
        scores: importance of every weight, (O, C/group, kh*kw) per layer.
        groups: groups of each convolution.
        recipe: gives compression, block, pool, grouping and seed.
    """
    with_patterns = recipe.compression >= PATTERN_COMPRESSION - 1e-9
    patterned = [n for n, s in scores.items() if s.shape[2] == 9 and with_patterns]
    total = sum(score.numel() for score in scores.values())
    whole = total - sum(scores[name].numel() for name in patterned) * (9 - ENTRIES) // 9
    keep = min(1.0, total / recipe.compression / whole)  # share of the blocks that will stay

    kernels = [scores[name].flatten(0, 1) for name in patterned]
    coarse = pattern_matrix(_generate(recipe, kernels, min(recipe.pool_size, _GROUPING_POOL)))
    blocks = {}
    for seed, (name, score) in enumerate(scores.items(), start=recipe.seed):
        choices = coarse.to(score) if name in patterned else score.new_ones(1, score.shape[2])
        blocks[name] = _tile(score, groups[name], recipe, choices, keep, seed)
    by_block = {name: blocks[name].gather(score) for name, score in scores.items()}
    # "frequent" counts single kernels, as the paper does; "greedy" looks at what shares a pattern
    units = kernels if recipe.pool == "frequent" else [by_block[name].flatten(0, 1) for name in patterned]
    pool = _generate(recipe, units, recipe.pool_size) if patterned else ()
    matrix = pattern_matrix(pool)

    layers = {}
    for name, score in scores.items():
        summed = by_block[name]
        pattern = choose_patterns(summed, matrix.to(score)) if name in patterned else torch.ones_like(summed)
        sizes = blocks[name].kernels() * pattern.sum(2).long()
        layers[name] = LayerPlan(blocks[name], pattern, sizes, float(score.mean()))
    return Plan(pool, layers)


def _generate(recipe: Recipe, units: Iterable[Tensor], size: int) -> tuple[Pattern, ...]:
    if not isinstance(recipe.pool, str):
        return recipe.pool
    make: Callable[[Iterable[Tensor], int], tuple[Pattern, ...]]
    make = {"greedy": greedy_pool, "frequent": frequent_pool}[recipe.pool]
    units = list(units)
    return make(units, size) if units else ()


def _tile(score: Tensor, groups: int, recipe: Recipe, pool: Tensor, keep: float, seed: int) -> Blocks:
    outs, ins = score.shape[:2]
    height, width = recipe.block
    column = adjacent_blocks(ins, width).to(score.device)
    if recipe.grouping == "swap":
        by_column = Blocks(torch.arange(outs, device=score.device), column).gather(score)
        return Blocks(group_channels(by_column, height, groups, pool, keep, seed), column)
    per_group = adjacent_blocks(outs // groups, height)
    rows = torch.cat([per_group + group * (int(per_group[-1]) + 1) for group in range(groups)])
    return Blocks(rows.to(score.device), column)
