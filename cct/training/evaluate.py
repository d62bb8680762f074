"""What a network answers on a split of the images, and how much of it is right."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cct.data.split import Data

_BATCH = 250


@torch.no_grad()
def predict(module: nn.Module, data: Data, split: str = "val") -> Tensor:
    """Logits for every image of a split, in order: (N, classes) float32 on the CPU."""
    device = next(module.parameters()).device
    module.eval()
    return torch.cat([module(images.to(device)).float().cpu() for images, _ in data.batches(split, _BATCH)])


def evaluate(module: nn.Module, data: Data) -> float:
    """Share of the `val` images whose class is found, in percent; an answer that is not finite finds none."""
    logits = predict(module, data)
    right = (logits.argmax(1) == data.val.labels) & logits.isfinite().all(1)
    return 100 * right.double().mean().item()
