"""From importance to masks: pool and blocks first, then the blocks' patterns, then as many blocks as may stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cct.passes.module.allocate import ALLOCATIONS
from cct.passes.module.choose_patterns import choose_patterns
from cct.passes.module.choose_pool import ALL_PATTERNS, ENTRIES, POOLS, pattern_matrix
from cct.passes.module.group_channels import group_channels
from cct.passes.module.tiling import Blocks, adjacent_blocks
from cct.recipe.pruning import Pattern
from cct.recipe.recipe import Recipe

PATTERN_COMPRESSION = 9 / ENTRIES  # what patterns alone reach; below it only whole kernels go


@dataclass(frozen=True, eq=False)
class Plan:
    """What is decided once about a network; masks follow from it and from the importance at any time.

    Attributes:
        pool: the patterns in use, empty if only whole kernels go.
        blocks: tiling of each convolution, by its name.
        patterned: names of the convolutions whose kernels get patterns; the others' go whole, or by position.
    """

    pool: tuple[Pattern, ...]
    blocks: dict[str, Blocks]
    patterned: frozenset[str]

    def patterns(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each block's kernels keep if they stay: 1 or 0, (rows, columns, kh*kw) per layer.

        Args:
            scores: importance now, (O, C/group, kh*kw) per layer.
        """
        matrix = pattern_matrix(self.pool)
        patterns = {}
        for name, blocks in self.blocks.items():
            evidence = blocks.gather(scores[name])
            has_patterns = name in self.patterned
            patterns[name] = (
                choose_patterns(evidence, matrix.to(evidence)) if has_patterns else torch.ones_like(evidence)
            )
        return patterns

    def connectivity(
        self, scores: Mapping[str, Tensor], patterns: Mapping[str, Tensor], budget: int, recipe: Recipe
    ) -> dict[str, Tensor]:
        """Choose the blocks that stay: bool (rows, columns, 1) per layer, or (rows, columns, kh*kw) `by_position`.

        Args:
            scores: importance now, (O, C/group, kh*kw) per layer.
            patterns: as `patterns` gives them.
            budget: weights to keep in all layers together.
            recipe: gives `entries`, `connectivity` and `floor`.
        """
        gains, sizes = {}, {}
        for name, blocks in self.blocks.items():
            gains[name] = blocks.gather(scores[name]) * patterns[name]
            sizes[name] = blocks.kernels()[:, :, None] * patterns[name].long()
            if not by_position(recipe, patterns[name].shape[2]):  # what shares a pattern stays or goes together
                gains[name], sizes[name] = gains[name].sum(2, keepdim=True), sizes[name].sum(2, keepdim=True)
        return ALLOCATIONS[recipe.connectivity](gains, sizes, budget, recipe)

    def size(self, patterns: Mapping[str, Tensor]) -> int:
        """Weights that are kept if all blocks stay."""
        return sum(int((p.sum(2).long() * self.blocks[name].kernels()).sum()) for name, p in patterns.items())

    def masks(self, patterns: Mapping[str, Tensor], connectivity: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """1 where a weight stays, 0 elsewhere: (O, C/group, kh*kw) per layer."""
        return {name: blocks.spread(patterns[name] * connectivity[name]) for name, blocks in self.blocks.items()}


def by_position(recipe: Recipe, positions: int) -> bool:
    """Whether a block's positions stay or go one by one; larger kernels than 3x3 are stored whole or not at all."""
    return recipe.entries == 1 and positions <= 9


def plan_masks(scores: Mapping[str, Tensor], groups: Mapping[str, int], recipe: Recipe) -> Plan:
    """Choose pool and blocks.

    3x3 kernels get patterns if the recipe's compression is 2.25 or more, and its `entries` more than 1; all others
    stay or go whole, or position by position if `entries` is 1 and they are small enough.

    Args:
        scores: importance of every weight, (O, C/group, kh*kw) per layer.
        groups: groups of each convolution.
        recipe: gives compression, each layer's block, entries, pool, grouping and seed.
    """
    with_patterns = recipe.entries > 1 and recipe.compression >= PATTERN_COMPRESSION - 1e-9
    patterned = [n for n, s in scores.items() if s.shape[2] == 9 and with_patterns]
    total = sum(score.numel() for score in scores.values())
    whole = total - sum(scores[name].numel() for name in patterned) * (9 - ENTRIES) // 9
    keep = min(1.0, total / recipe.compression / whole)  # share of the blocks that will stay

    kernels = [scores[name].flatten(0, 1) for name in patterned]
    first_pool = _generate(recipe, kernels)  # there are no blocks yet
    blocks = {}
    for seed, (name, score) in enumerate(scores.items(), start=recipe.seed):
        of_layer = first_pool if name in patterned else ()
        blocks[name] = _tile(score, groups[name], recipe, recipe.block_of(name), of_layer, keep, seed)
    pool = first_pool
    if recipe.pool == "greedy":  # looks at what shares a pattern; "frequent" counts single kernels, as the paper does
        pool = _generate(recipe, [blocks[name].gather(scores[name]).flatten(0, 1) for name in patterned])
    return Plan(pool, blocks, frozenset(patterned))


def _generate(recipe: Recipe, units: Sequence[Tensor]) -> tuple[Pattern, ...]:
    """A pool for units (N, 9) of each layer with patterns; empty if there is none."""
    if not units:
        return ()
    if not isinstance(recipe.pool, str):
        return recipe.pool
    return POOLS[recipe.pool](units, recipe.pool_size)


def _tile(
    score: Tensor,
    groups: int,
    recipe: Recipe,
    block: tuple[int, int],
    pool: tuple[Pattern, ...],
    keep: float,
    seed: int,
) -> Blocks:
    outs, ins = score.shape[:2]
    height, width = block
    row = torch.arange(outs, device=score.device)
    if recipe.grouping == "swap":
        # outputs by what they want of single inputs, then inputs by what those rows want, then outputs again
        single = Blocks(row, torch.arange(ins, device=score.device))
        evidence, entries = _evidence(single.gather(score), recipe, pool)
        row = group_channels(evidence, height, groups, entries, keep, seed)
        column = single.column
        if width > 1:
            evidence, entries = _evidence(Blocks(row, single.column).gather(score).transpose(0, 1), recipe, pool)
            column = group_channels(evidence, width, 1, entries, keep, seed)
            evidence, entries = _evidence(Blocks(single.row, column).gather(score), recipe, pool)
            row = group_channels(evidence, height, groups, entries, keep, seed)
        return Blocks(row, column)
    per_group = adjacent_blocks(outs // groups, height)
    rows = torch.cat([per_group + group * (int(per_group[-1]) + 1) for group in range(groups)])
    return Blocks(rows.to(score.device), adjacent_blocks(ins, width).to(score.device))


def _evidence(scores: Tensor, recipe: Recipe, pool: tuple[Pattern, ...]) -> tuple[Tensor, int]:
    """What `group_channels` compares of scores (channels, columns, K), and how many of it a column keeps.

    Of all patterns: positions, any `ENTRIES` of which are one. Of a smaller pool: what each of its patterns keeps, one
    of which is chosen. Without patterns: positions or whole kernels, each by itself.
    """
    if len(pool) == len(ALL_PATTERNS):
        return scores, ENTRIES
    if pool:
        return scores @ pattern_matrix(pool).to(scores).T, 1
    return scores.flatten(1)[:, :, None] if by_position(recipe, scores.shape[2]) else scores.sum(2, keepdim=True), 1
