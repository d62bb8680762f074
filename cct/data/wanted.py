"""What the options and the model ask of images, and what is taken where they don't say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cct.errors import DataError
from cct.limits import LARGEST_SIDE
from cct.messages import some

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_OTHER = 0.5  # mean and std per channel of images that are not RGB: pixels become -1..1

_LARGEST = 1e30  # of mean and std; float32 ends at 3e38, and what is computed with them must not
_SMALLEST = 1e-30

Scale = tuple[float, ...]


@dataclass(frozen=True)
class Wanted:
    """What the options and the model ask of images.

    Attributes:
        mean: per channel, of pixels scaled to 0..1; None leaves it to the source.
        std: likewise.
        size: (height, width) in pixels, likewise.
        channels: that the model takes, likewise.
    """

    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            check_size(self.size)

    def scale(self, channels: int, mean: Sequence[float] = (), std: Sequence[float] = ()) -> tuple[Scale, Scale]:
        """Mean and std for images of so many channels; the source's own, or else ImageNet's or 0.5, where unsaid.

        Raises:
            DataError: a wrong number of numbers, or a value that no image can be scaled by.
        """
        rgb = channels == len(IMAGENET_MEAN)
        mean = self.mean or mean or (IMAGENET_MEAN if rgb else [_OTHER] * channels)
        std = self.std or std or (IMAGENET_STD if rgb else [_OTHER] * channels)
        for name, values in (("mean", mean), ("std", std)):
            if len(values) != channels:
                raise DataError(f"{name} has {len(values)} numbers, the images have {channels} channels")
            if not all(abs(value) <= _LARGEST for value in values):  # nor is NaN
                raise DataError(f"{name} must be numbers up to {_LARGEST:g}, it is {some(values)}")
        if min(std) < _SMALLEST:
            raise DataError(f"std must be above 0, at least {_SMALLEST:g}, it is {some(std)}")
        return tuple(mean), tuple(std)


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Refuse a size of images that no model of ours takes.

    Raises:
        DataError: says so.
    """
    if not 1 <= min(size) <= max(size) <= LARGEST_SIDE:
        raise DataError(f"images of {size[0]}x{size[1]} pixels: give a --size of 1 to {LARGEST_SIDE} a side")
    return size


def is_normalized(mean: Sequence[float], std: Sequence[float]) -> bool:
    """Whether mean and std leave values as they are, so that these need not be 0..1."""
    return not any(mean) and all(value == 1 for value in std)
