"""Which patterns a model may use: drawn from the network's own weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations

import torch
from torch import Tensor

from cct.recipe.pruning import Pattern

ENTRIES = 4  # weights that a pattern keeps of the 9 in a 3x3 kernel
ALL_PATTERNS: tuple[Pattern, ...] = tuple(combinations(range(9), ENTRIES))

_SAMPLE = 100_000  # kernels that are looked at; more do not change the choice


def pattern_matrix(pool: Iterable[Pattern]) -> Tensor:
    """One row a pattern, 1 where it keeps: float32 (P, 9)."""
    rows = [[float(position in pattern) for position in range(9)] for pattern in pool]
    return torch.tensor(rows)


def frequent_pool(scores: Iterable[Tensor], size: int) -> tuple[Pattern, ...]:
    """The `size` patterns that are most often a kernel's best (ClickTrain).

    Args:
        scores: importance of each layer's weights, (N, 9) each.
        size: patterns in the pool, 1..126.
    """
    counts = torch.zeros(len(ALL_PATTERNS), dtype=torch.int64)
    index = {pattern: i for i, pattern in enumerate(ALL_PATTERNS)}
    codes = torch.full((2**9,), -1)
    for pattern, i in index.items():
        codes[sum(1 << position for position in pattern)] = i
    for layer in scores:
        best = layer.topk(ENTRIES, dim=1).indices
        counts += torch.bincount(codes[(1 << best).sum(1).cpu()], minlength=len(ALL_PATTERNS))
    chosen = counts.sort(descending=True, stable=True).indices[:size]
    return tuple(sorted(ALL_PATTERNS[i] for i in chosen.tolist()))


def greedy_pool(scores: Iterable[Tensor], size: int) -> tuple[Pattern, ...]:
    """The pool grown pattern by pattern, each the one that lets the network keep most importance.

    Args:
        scores: importance of each layer's blocks, (N, 9) each; every layer counts by its mean.
        size: patterns in the pool, 1..126.
    """
    if size >= len(ALL_PATTERNS):
        return ALL_PATTERNS
    normalized = torch.cat([layer / layer.mean().clamp_min(1e-30) for layer in scores]).cpu()
    normalized = normalized[:: -(-len(normalized) // _SAMPLE)]
    kept = normalized @ pattern_matrix(ALL_PATTERNS).T
    best = torch.zeros(len(kept), 1)
    chosen: list[int] = []
    for _ in range(size):
        pick = int(torch.maximum(best, kept).sum(0).argmax())
        chosen.append(pick)
        best = torch.maximum(best, kept[:, pick : pick + 1])
    return tuple(sorted(ALL_PATTERNS[i] for i in chosen))


POOLS: dict[str, Callable[[Iterable[Tensor], int], tuple[Pattern, ...]]] = {
    "greedy": greedy_pool,
    "frequent": frequent_pool,
}  # by the recipe's name
