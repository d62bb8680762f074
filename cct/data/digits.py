"""`digits`, which ships with the tool: 1,797 handwritten digits; digits.md beside it says whose."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from cct.data.memory_images import MemoryImages, check_channels
from cct.data.split import Data, Split, column
from cct.data.wanted import Wanted
from cct.errors import DataError

_SIZE = (32, 32)
_LARGEST_SIDE = 256  # pixels; all are resized at once, and they were drawn on 8x8


def load_digits(wanted: Wanted) -> Data:
    """Read the digits, 32x32 by default, with their own mean and std.

    Raises:
        DataError: they are to be very large, or do not have the channels.
    """
    size = wanted.size or _SIZE
    if max(size) > _LARGEST_SIDE:
        raise DataError(f"digits of {size[0]}x{size[1]} pixels: give a --size of up to {_LARGEST_SIDE} a side")
    with (files("cct") / "data" / "digits.npz").open("rb") as file, np.load(file) as arrays:
        images, labels, held_out = arrays["images"], arrays["labels"], arrays["val"]
    channels = check_channels("digits", 1, wanted.channels)
    small = torch.from_numpy(images).float()[:, None] * (255 / 16)  # stored as 0..16
    pixels = F.interpolate(small, size, mode="bilinear").round().to(torch.uint8)
    scaled = pixels[torch.from_numpy(~held_out)].float() / 255
    own = round(scaled.mean().item(), 4), round(scaled.std().item(), 4)
    mean, std = wanted.scale(channels, [own[0]] * channels, [own[1]] * channels)

    def split(chosen: npt.NDArray[np.bool_]) -> Split:
        index = torch.from_numpy(chosen)
        kept = MemoryImages(pixels[index], channels)
        return Split(kept, torch.from_numpy(labels).long()[index], column(mean), column(std))

    return Data(
        name="digits",
        classes=tuple("0123456789"),
        channels=channels,
        size=size,
        mean=mean,
        std=std,
        augmented=False,  # a mirrored or shifted digit is another digit, or none
        train=split(~held_out),
        val=split(held_out),
    )
