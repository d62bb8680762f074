"""Random pattern masks, for measuring speed where accuracy plays no part."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

# The eight patterns of ClickTrain's pool-8 (reference code of the paper: the four 2x2 corners, an L, three Ts).
POOL = ((4, 5, 7, 8), (3, 4, 6, 7), (1, 2, 4, 5), (0, 1, 3, 4), (5, 6, 7, 8), (3, 4, 5, 7), (1, 4, 5, 7), (1, 3, 4, 7))


def prune_at_random(module: nn.Module, block: tuple[int, int], density: float, seed: int = 0) -> int:
    """Mask every 3x3 convolution with at least 16 input channels, in place: 4 of 9 positions, whole blocks gone.

    Args:
        module: its weights are scaled up by what the masks take away, so that activations keep their size.
        block: output x input channels that share a pattern.
        density: kept weights / weights, at most 4/9.
        seed: of the masks.

    Returns:
        Number of convolutions that were masked.
    """
    rng = np.random.default_rng(seed)
    kept_of_pattern = np.zeros((len(POOL), 9), np.float32)
    for row, pattern in zip(kept_of_pattern, POOL, strict=True):
        row[list(pattern)] = 1
    masked = 0
    for layer in module.modules():
        if not isinstance(layer, nn.Conv2d) or layer.kernel_size != (3, 3) or layer.in_channels < 16:
            continue
        outputs, inputs = layer.weight.shape[:2]
        blocks = -(-outputs // block[0]), -(-inputs // block[1])
        kept = kept_of_pattern[rng.integers(0, len(POOL), blocks)]
        gone = rng.permutation(blocks[0] * blocks[1]) >= round(density * 9 / 4 * blocks[0] * blocks[1])
        kept[gone.reshape(blocks)] = 0
        mask = kept.repeat(block[0], 0).repeat(block[1], 1)[:outputs, :inputs][rng.permutation(outputs)]
        layer.weight.data *= torch.from_numpy(mask.reshape(layer.weight.shape)) / density**0.5
        masked += 1
    return masked
