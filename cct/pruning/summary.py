"""What became of each convolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LayerSummary:
    """What became of one convolution.

    Attributes:
        name: of the module.
        shape: of its weight.
        weights: number of weights.
        kept: number of weights that the masks keep.
        kernels: number of kernels.
        kept_kernels: number of kernels of which something is kept.
        reason: why it was not pruned, None if it was.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    kept: int
    kernels: int
    kept_kernels: int
    reason: str | None

    @property
    def density(self) -> float:
        """Kept weights / weights."""
        return self.kept / self.weights


def summarize_layer(name: str, weight: Tensor, masks: Mapping[str, Tensor], reason: str | None) -> LayerSummary:
    """Count what is kept of a convolution.

    Args:
        name: of the module.
        weight: (O, C/group, ...).
        masks: 1 where a weight stays, the same shape, by the name of the module; all stay where there is none.
        reason: why it was not pruned.
    """
    mask = masks.get(name, torch.ones_like(weight, requires_grad=False))
    return LayerSummary(
        name=name,
        shape=tuple(weight.shape),
        weights=weight.numel(),
        kept=int(mask.sum()),
        kernels=weight.shape[0] * weight.shape[1],
        kept_kernels=int(mask.flatten(2).any(2).sum()),
        reason=reason,
    )
