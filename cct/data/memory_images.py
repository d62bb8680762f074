"""Images that are in memory, brought to the channels and the size that a model takes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cct.errors import DataError

_LUMA = (0.299, 0.587, 0.114)  # of R, G, B: ITU-R 601, as Pillow has it


class MemoryImages:
    """Images that are in memory.

    Args:
        pixels: uint8, or float32; (N, C, H, W).
        channels: that `load` gives; default C. 1 becomes 3 by repetition, 3 becomes 1 by weights of brightness.
        size: (height, width) that `load` gives: resized to cover it, the rest cut off evenly; default H and W.
    """

    def __init__(self, pixels: Tensor, channels: int | None = None, size: tuple[int, int] | None = None) -> None:
        self.pixels = pixels
        self.channels = channels or pixels.shape[1]
        self.size = size or (pixels.shape[2], pixels.shape[3])

    def __len__(self) -> int:
        return len(self.pixels)

    def load(self, indices: Tensor) -> Tensor:
        """Return (n, C, H, W), of the type of `pixels`."""
        chosen = self.pixels[indices]
        if tuple(chosen.shape[1:]) == (self.channels, *self.size):
            return chosen
        brought = _resize(_to_channels(chosen.float(), self.channels), *self.size)
        return brought if chosen.is_floating_point() else brought.round().to(chosen.dtype)


def check_channels(name: str, own: int, wanted: int | None) -> int:
    """The channels that images of `own` channels are to be given with.

    Raises:
        DataError: they can't be brought to what the model takes.
    """
    if wanted is None or own == wanted or {own, wanted} == {1, 3}:
        return wanted or own
    raise DataError(f"{name}: the images have {own} channels, the model takes {wanted}: give other images")


def _to_channels(pixels: Tensor, channels: int) -> Tensor:
    if pixels.shape[1] == channels:
        return pixels
    if channels == 1:
        return (pixels * torch.tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
    return pixels.expand(-1, channels, -1, -1)


def _resize(pixels: Tensor, height: int, width: int) -> Tensor:
    own_height, own_width = pixels.shape[2:]
    if (own_height, own_width) == (height, width):
        return pixels
    scale = min(own_height / height, own_width / width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (own_height - rows) // 2, (own_width - columns) // 2
    cut = pixels[:, :, top : top + rows, left : left + columns]
    return F.interpolate(cut, (height, width), mode="bilinear", antialias=True)
