"""A network with every kind of convolution that pruning tells apart."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class Small(nn.Module):
    """A stem, then 3x3, grouped 3x3, 1x1, and `last` x `last` convolutions."""

    def __init__(self, last: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.a = nn.Conv2d(8, 24, 3, padding=1)
        self.b = nn.Conv2d(24, 12, 3, padding=1, groups=2)
        self.c = nn.Conv2d(12, 16, 1)
        self.d = nn.Conv2d(16, 16, last, padding=last // 2)
        self.linear = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in (self.stem, self.a, self.b, self.c, self.d):
            x = F.relu(layer(x))
        return torch.as_tensor(self.linear(x.mean((2, 3))))


def small(seed: int = 0, last: int = 3) -> Small:
    torch.manual_seed(seed)
    return Small(last)
