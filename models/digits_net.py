"""The demo's network: handwritten digits, with nearly all of its work in 3x3 convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """Two 3x3 convolutions and the sum with what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` (N, channels, H, W) to the same shape."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + x)


class DigitsNet(nn.Module):
    """A stem that halves the image, two residual blocks of 96 channels at 16x16, global average pool, linear.

    All prunable convolutions have the same shape, so that compression and work saved go together.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, 96, 3, stride=2, padding=1, bias=False)
        self.stem_bn = nn.BatchNorm2d(96)
        self.block1 = Residual(96)
        self.block2 = Residual(96)
        self.linear = nn.Linear(96, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, 32, 32) to logits (N, num_classes)."""
        y: Tensor = self.block2(self.block1(F.relu(self.stem_bn(self.stem(x)))))
        logits: Tensor = self.linear(torch.flatten(F.adaptive_avg_pool2d(y, 1), 1))
        return logits


def digits_net(num_classes: int = 10, in_channels: int = 1) -> DigitsNet:
    """DigitsNet: 0.33 million weights."""
    return DigitsNet(num_classes, in_channels)
