"""VGG-11, 13 and 16 with batch normalization for 32x32 images (Simonyan & Zisserman 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Output channels of the 3x3 convolutions; 0 halves the image.
_PLANS: dict[int, tuple[int, ...]] = {
    11: (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0),
    13: (64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0),
    16: (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0),
}


class VGG(nn.Module):
    """Conv-BN-ReLU layers with max pools between them, then one linear layer."""

    def __init__(self, depth: int, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in _PLANS[depth]:
            if channels == 0:
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [
                nn.Conv2d(in_channels, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
            in_channels = channels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(in_channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, 32, 32) to logits (N, num_classes)."""
        logits: Tensor = self.classifier(torch.flatten(self.features(x), 1))
        return logits


def vgg11(num_classes: int = 10, in_channels: int = 3) -> VGG:
    """VGG-11-BN: 9.2 million weights."""
    return VGG(11, num_classes, in_channels)


def vgg13(num_classes: int = 10, in_channels: int = 3) -> VGG:
    """VGG-13-BN: 9.4 million weights."""
    return VGG(13, num_classes, in_channels)


def vgg16(num_classes: int = 10, in_channels: int = 3) -> VGG:
    """VGG-16-BN: 14.7 million weights."""
    return VGG(16, num_classes, in_channels)
