"""The images that the accuracy benchmarks train on: fewer than there are, decoded once."""

from __future__ import annotations

from dataclasses import replace

import torch

from cct.data.memory_images import MemoryImages
from cct.data.split import Data, Split


def subset(data: Data, images: int) -> Data:
    """The same random images of the training split in every run, and all of `val`, in memory."""
    chosen = torch.randperm(len(data.train.labels), generator=torch.Generator().manual_seed(0))[:images]
    return replace(data, train=_in_memory(data.train, chosen), val=_in_memory(data.val, torch.arange(len(data.val))))


def _in_memory(split: Split, chosen: torch.Tensor) -> Split:
    return replace(split, images=MemoryImages(split.images.load(chosen)), labels=split.labels[chosen])
