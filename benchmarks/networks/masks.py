"""Random pattern masks, for measuring speed where accuracy plays no part."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from cct.passes.module.prunable import prunable

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
    layers = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    layers = [m for m in layers if m.kernel_size == (3, 3) and m.in_channels >= 16]
    for layer in layers:
        _mask(layer, block, density * 9 / 4, rng)
    return len(layers)


def prune_prunable_at_random(module: nn.Module, block: tuple[int, int], compression: float, seed: int = 0) -> int:
    """Mask what `cct compress` would prune, in place: 3x3 kernels to 4 of 9 positions, and of all kernels whole blocks.

    Every layer keeps the same share of its blocks, as the recipe's `connectivity = "uniform"` does.

    Args:
        module: as for `prune_at_random`.
        block: likewise.
        compression: weights / kept weights over these convolutions, at least 2.25.
        seed: of the masks.

    Returns:
        Number of convolutions that were masked.
    """
    rng = np.random.default_rng(seed)
    layers = [module.get_submodule(name) for name, reason in prunable(module).items() if reason is None]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    whole = sum(m.weight.numel() * (4 / 9 if m.kernel_size == (3, 3) else 1) for m in convolutions)
    for layer in convolutions:
        _mask(layer, block, sum(m.weight.numel() for m in convolutions) / compression / whole, rng)
    return len(convolutions)


def _mask(layer: nn.Conv2d, block: tuple[int, int], keep: float, rng: np.random.Generator) -> None:
    """Keep a share of the layer's blocks, and of 3x3 kernels the positions of a random pattern."""
    patterns = np.ones((1, layer.kernel_size[0] * layer.kernel_size[1]), np.float32)
    if layer.kernel_size == (3, 3):
        patterns = np.array([[i in pattern for i in range(9)] for pattern in POOL], np.float32)
    outputs, inputs = layer.out_channels // layer.groups, layer.in_channels // layer.groups
    blocks = -(-outputs // block[0]), -(-inputs // block[1])
    masks = []
    for _ in range(layer.groups):
        kept = patterns[rng.integers(0, len(patterns), blocks)]
        gone = rng.permutation(blocks[0] * blocks[1]) >= round(keep * blocks[0] * blocks[1])
        kept[gone.reshape(blocks)] = 0
        masks.append(kept.repeat(block[0], 0).repeat(block[1], 1)[:outputs, :inputs][rng.permutation(outputs)])
    mask = torch.from_numpy(np.concatenate(masks)).reshape(layer.weight.shape)
    layer.weight.data *= mask / mask.mean().sqrt().clamp(min=1e-6)
