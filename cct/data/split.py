"""`Data`: images and labels to train with and to measure with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from cct.data.wanted import Scale, check_size

_DEFAULT_SIZE = (224, 224)


class ImageSource(Protocol):
    """Where the pixels of a split are."""

    def __len__(self) -> int: ...

    def load(self, indices: Tensor) -> Tensor:
        """Return (n, C, H, W), new memory: uint8, or float32 that is 0..1 or normalized already."""
        ...


@dataclass(frozen=True, eq=False)
class Split(Dataset[tuple[Tensor, Tensor]]):
    """One split; indexed by a list of positions, it gives a normalized batch.

    Attributes:
        images: where the pixels are.
        labels: int64 (N,), positions in `Data.classes`.
        mean: per channel, of pixels scaled to 0..1, (C, 1, 1).
        std: likewise.
        margin: how far the random crop may move, pixels.
        bordered: whether `images` come with the margin around them; else a black one is added.
        generator: source of crops and flips; None takes the centre and never flips.
        share: (i, n): of each batch, only the i-th of n parts is given, as the whole batch would have it.
    """

    images: ImageSource
    labels: Tensor
    mean: Tensor
    std: Tensor
    margin: int = 0
    bordered: bool = False
    generator: torch.Generator | None = None
    share: tuple[int, int] = (0, 1)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return image (C, H, W) float32 and its label."""
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """Return images (n, C, H, W) float32, normalized, and labels (n,) int64."""
        part, parts = self.share
        own = slice(len(indices) * part // parts, len(indices) * (part + 1) // parts)
        chosen = torch.tensor(indices[own])
        pixels = self.images.load(chosen)
        if self.generator is not None:
            border = 0 if self.bordered else self.margin
            draws = [draw[own] for draw in _draw(len(indices), self.margin, self.generator)]
            pixels = _crop_and_flip(F.pad(pixels, (border,) * 4), self.margin, *draws)
        elif self.bordered:
            pixels = pixels[:, :, self.margin : -self.margin, self.margin : -self.margin]
        batch = pixels.contiguous(memory_format=torch.channels_last).float()
        if not pixels.is_floating_point():
            batch.div_(255)
        return batch.sub_(self.mean).div_(self.std), self.labels[chosen]


@dataclass(frozen=True)
class Data:
    """Images and labels for training (`train`) and for measuring (`val`).

    Attributes:
        name: `digits`, or of the folder, file or function.
        classes: their names; a label is a position here.
        channels: of the images, as the model takes them.
        size: (height, width) of the model's input, pixels.
        mean: per channel, of pixels scaled to 0..1.
        std: per channel, likewise.
        augmented: whether training batches are cropped and flipped at random.
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    size: tuple[int, int]
    mean: Scale
    std: Scale
    augmented: bool
    train: Split
    val: Split

    def batches(
        self, split: str, batch_size: int, generator: torch.Generator | None = None, share: tuple[int, int] = (0, 1)
    ) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches of normalized images (n, C, H, W) float32 and labels (n,) int64.

        Args:
            split: "train" or "val".
            batch_size: images per batch.
            generator: shuffles and augments and leaves out an incomplete last batch; None gives every
                image once, in order and unchanged.
            share: (i, n): of each batch, give the i-th of n parts. With generators in the same state all parts
                together are the batches of one, crops and flips included.
        """
        source = replace({"train": self.train, "val": self.val}[split], share=share)
        random = generator is not None
        if random and self.augmented:
            source = replace(source, generator=generator)
        return DataLoader(
            source,
            batch_size=min(batch_size, len(source)),
            shuffle=random,
            drop_last=random,
            generator=generator,
            collate_fn=_as_it_is,  # `Split` makes whole batches
        )

    def example(self) -> Tensor:
        """One normalized image, (1, C, H, W) float32."""
        return self.val[0][0][None].contiguous()


def make_data(
    name: str,
    classes: tuple[str, ...],
    images: Callable[[str, int, int], ImageSource],
    labels: Mapping[str, Tensor],
    own: tuple[int, int] | None,
    wanted: tuple[int, int] | None,
    channels: int,
    scale: tuple[Scale, Scale],
    augmented: bool,
) -> Data:
    """Put together splits whose images are resized where they have to be.

    Args:
        name: of the data.
        classes: their names.
        images: of "train" or "val", in the height and width that it is asked for.
        labels: of "train" and "val", int64.
        own: (height, width) of the images, None if they differ.
        wanted: (height, width) that the model takes; default `own`, else 224 x 224.
        channels: of the images.
        scale: mean and std.
        augmented: whether training batches are cropped and flipped at random.
    """
    height, width = check_size(wanted or own or _DEFAULT_SIZE)
    as_they_are = own == (height, width)
    # 4 pixels around a 32x32 image; a square of 224 out of 256 when images are resized anyway
    margin = min(height, width) // (8 if as_they_are else 14) if augmented else 0
    border = 0 if as_they_are else margin

    def split(which: str) -> Split:
        pixels = images(which, height + 2 * border, width + 2 * border)
        return Split(pixels, labels[which], column(scale[0]), column(scale[1]), margin, bordered=border > 0)

    return Data(name, classes, channels, (height, width), *scale, augmented, split("train"), split("val"))


def column(scale: Sequence[float]) -> Tensor:
    """One number per channel, (C, 1, 1)."""
    return torch.tensor(scale, dtype=torch.float32)[:, None, None]


def _draw(count: int, margin: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Per image the top and the left of its crop, and whether it is mirrored, which every second one is."""
    top, left = torch.randint(2 * margin + 1, (2, count), generator=generator)
    return top, left, torch.rand(count, generator=generator) < 0.5


def _crop_and_flip(pixels: Tensor, margin: int, top: Tensor, left: Tensor, mirrored: Tensor) -> Tensor:
    """Cut `margin` off each side on average, as `_draw` says."""
    count, _, height, width = pixels.shape
    windows = pixels.unfold(2, height - 2 * margin, 1).unfold(3, width - 2 * margin, 1)
    cropped = windows[torch.arange(count), :, top, left]
    return torch.where(mirrored[:, None, None, None], cropped.flip(3), cropped)


def _as_it_is(batch: Any) -> Any:
    return batch
