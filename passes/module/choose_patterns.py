"""The best pattern of the pool for every block."""

from __future__ import annotations

from torch import Tensor


def choose_patterns(scores: Tensor, pool: Tensor) -> Tensor:
    """Pick for each block the pattern that keeps most importance.

    Args:
        scores: importance of the block's weights by position, (rows, columns, 9).
        pool: 1 where a pattern keeps, (P, 9).

    Returns:
        1 where the block keeps, 0 elsewhere: (rows, columns, 9), the dtype of `pool`.
    """
    return pool[(scores @ pool.T).argmax(-1)]
