"""Where images come from: `digits`, which ships with the tool, or a folder in ImageFolder layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from cct.errors import DataError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_MEMORY_LIMIT = 2**30  # bytes of decoded images that are kept; beyond it, each batch is decoded anew
_DEFAULT_SIZE = (224, 224)
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_DIGITS_SIZE = (32, 32)


class MemoryImages:
    """Images that were decoded once.

    Args:
        pixels: uint8, (N, C, H, W).
    """

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def load(self, indices: Tensor) -> Tensor:
        """Return uint8 (n, C, H, W)."""
        return self.pixels[indices]


class FileImages:
    """Images that are decoded when asked for: resized to cover `height` x `width`, the rest cut off evenly."""

    def __init__(self, paths: Sequence[Path], height: int, width: int) -> None:
        self.paths, self.height, self.width = list(paths), height, width

    def __len__(self) -> int:
        return len(self.paths)

    def load(self, indices: Tensor) -> Tensor:
        """Return uint8 (n, 3, height, width)."""
        chosen = [self.paths[i] for i in indices.tolist()]
        return _decode_all(chosen, (self.height, self.width))


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
    """

    images: MemoryImages | FileImages
    labels: Tensor
    mean: Tensor
    std: Tensor
    margin: int = 0
    bordered: bool = False
    generator: torch.Generator | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return image (C, H, W) float32 and its label."""
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """Return images (n, C, H, W) float32, normalized, and labels (n,) int64."""
        chosen = torch.tensor(indices)
        pixels = self.images.load(chosen)
        if self.generator is not None:
            border = 0 if self.bordered else self.margin
            pixels = _crop_and_flip(F.pad(pixels, (border,) * 4), self.margin, self.generator)
        elif self.bordered:
            pixels = pixels[:, :, self.margin : -self.margin, self.margin : -self.margin]
        batch = pixels.contiguous(memory_format=torch.channels_last).float()
        return batch.div_(255).sub_(self.mean).div_(self.std), self.labels[chosen]


@dataclass(frozen=True)
class Data:
    """Images and labels for training (`train`) and for measuring (`val`).

    Attributes:
        name: `digits`, or the folder's name.
        classes: names of the classes, sorted; a label is a position here.
        channels: 1 or 3.
        size: (height, width) of the model's input, pixels.
        mean: per channel, of pixels scaled to 0..1.
        std: per channel, likewise.
        augmented: whether training batches are cropped and flipped at random.
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmented: bool
    train: Split
    val: Split

    def batches(
        self, split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches of normalized images (n, C, H, W) float32 and labels (n,) int64.

        Args:
            split: "train" or "val".
            batch_size: images per batch.
            generator: shuffles and augments and leaves out an incomplete last batch; None gives every
                image once, in order and unchanged.
        """
        source = {"train": self.train, "val": self.val}[split]
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


def load_data(
    spec: str,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    size: tuple[int, int] | None = None,
) -> Data:
    """Read the images that `--data` names.

    Args:
        spec: `digits`, or a folder with `train/<class>/*` and `val/<class>/*`.
        mean: per channel, of pixels scaled to 0..1; default ImageNet's for folders, its own for digits.
        std: per channel, likewise.
        size: (height, width) of the model's input, pixels; default the images' own when all are equal, else 224.

    Raises:
        DataError: the images cannot be used; says which and why.
    """
    if spec == "digits":
        return _load_digits(mean, std, size)
    return _load_folder(Path(spec), mean, std, size)


def _load_digits(mean: Sequence[float] | None, std: Sequence[float] | None, size: tuple[int, int] | None) -> Data:
    with files("cct").joinpath("digits.npz").open("rb") as file, np.load(file) as arrays:
        images, labels, held_out = arrays["images"], arrays["labels"], arrays["val"]
    size = size or _DIGITS_SIZE
    small = torch.from_numpy(images).float()[:, None] * (255 / 16)  # stored as 0..16
    pixels = F.interpolate(small, size, mode="bilinear").round().to(torch.uint8)
    scaled = pixels[torch.from_numpy(~held_out)].float() / 255
    mean, std = _check_scale(mean or [round(scaled.mean().item(), 4)], std or [round(scaled.std().item(), 4)], 1)

    def split(chosen: npt.NDArray[np.bool_]) -> Split:
        index = torch.from_numpy(chosen)
        return Split(MemoryImages(pixels[index]), torch.from_numpy(labels).long()[index], _column(mean), _column(std))

    return Data(
        name="digits",
        classes=tuple("0123456789"),
        channels=1,
        size=size,
        mean=mean,
        std=std,
        augmented=False,  # a mirrored or shifted digit is another digit, or none
        train=split(~held_out),
        val=split(held_out),
    )


def _load_folder(
    root: Path, mean: Sequence[float] | None, std: Sequence[float] | None, size: tuple[int, int] | None
) -> Data:
    if not root.is_dir():
        raise DataError(f"{root} is no folder: give `digits` or a folder with train/<class>/* and val/<class>/*")
    classes, train_paths, train_labels = _list_split(root / "train")
    val_classes, val_paths, val_labels = _list_split(root / "val")
    if classes != val_classes:
        odd = sorted(set(classes) ^ set(val_classes))
        raise DataError(f"{root}: train and val hold different classes; only in one of them: {', '.join(odd[:5])}")
    sizes = {_image_size(path) for path in [*train_paths, *val_paths]}
    own = sizes.pop() if len(sizes) == 1 else None
    height, width = size or own or _DEFAULT_SIZE
    as_they_are = own == (height, width)
    in_memory = as_they_are and 3 * height * width * len(train_paths + val_paths) <= _MEMORY_LIMIT
    # 4 pixels around a 32x32 image; a square of 224 out of 256 when images are resized anyway
    margin = min(height, width) // (8 if as_they_are else 14)
    border = 0 if as_they_are else margin
    mean, std = _check_scale(mean or IMAGENET_MEAN, std or IMAGENET_STD, 3)

    def split(paths: list[Path], labels: list[int]) -> Split:
        images = FileImages(paths, height + 2 * border, width + 2 * border)
        kept = MemoryImages(images.load(torch.arange(len(paths)))) if in_memory else images
        return Split(kept, torch.tensor(labels), _column(mean), _column(std), margin, bordered=border > 0)

    return Data(
        name=root.resolve().name,
        classes=classes,
        channels=3,
        size=(height, width),
        mean=mean,
        std=std,
        augmented=True,
        train=split(train_paths, train_labels),
        val=split(val_paths, val_labels),
    )


def _list_split(folder: Path) -> tuple[tuple[str, ...], list[Path], list[int]]:
    """Class names, image files and labels of one split."""
    if not folder.is_dir():
        beside = sorted(path.name for path in folder.parent.iterdir() if path.is_dir())
        raise DataError(
            f"{folder} is missing: the folders must be train and val; there is {', '.join(beside[:5]) or 'none'}"
        )
    classes = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
    if len(classes) < 2:
        raise DataError(f"{folder} holds {len(classes)} class folders: at least 2 are needed, one folder per class")
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in EXTENSIONS)
        if not found:
            raise DataError(f"{folder / name} holds no image ({', '.join(sorted(EXTENSIONS))})")
        paths += found
        labels += [label] * len(found)
    return classes, paths, labels


def _image_size(path: Path) -> tuple[int, int]:
    """Height and width."""
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except _UNREADABLE as error:
        raise DataError(f"{path} is no readable image: remove or replace it ({error})") from error


def _decode_all(paths: Sequence[Path], size: tuple[int, int]) -> Tensor:
    """Decode to uint8 (n, 3, height, width)."""
    pixels = torch.empty(len(paths), 3, *size, dtype=torch.uint8)

    def decode(index: int) -> None:
        pixels[index] = torch.from_numpy(_decode(paths[index], *size)).permute(2, 0, 1)

    with ThreadPoolExecutor(max_workers=torch.get_num_threads()) as pool:
        for _ in pool.map(decode, range(len(paths))):
            pass
    return pixels


def _decode(path: Path, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Decode to RGB (height, width, 3), resized to cover and cut evenly where the size differs."""
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except _UNREADABLE as error:
        raise DataError(f"{path} is no readable image: remove or replace it ({error})") from error
    if (image.height, image.width) != (height, width):
        # Cut before resizing: of a very long image the resized whole would fill the memory.
        scale = min(image.height / height, image.width / width)
        left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
        box = (
            max(left, 0),
            max(top, 0),
            min(left + width * scale, image.width),
            min(top + height * scale, image.height),
        )
        image = image.resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.array(image)


def _crop_and_flip(pixels: Tensor, margin: int, generator: torch.Generator) -> Tensor:
    """Cut `margin` off each side on average, at a place drawn per image, and mirror every second image."""
    count, _, height, width = pixels.shape
    top, left = torch.randint(2 * margin + 1, (2, count), generator=generator)
    windows = pixels.unfold(2, height - 2 * margin, 1).unfold(3, width - 2 * margin, 1)
    cropped = windows[torch.arange(count), :, top, left]
    flipped = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    return torch.where(flipped, cropped.flip(3), cropped)


def _check_scale(
    mean: Sequence[float], std: Sequence[float], channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for name, values in (("mean", mean), ("std", std)):
        if len(values) != channels:
            raise DataError(f"{name} has {len(values)} numbers, the images have {channels} channels")
        if not all(math.isfinite(value) for value in values):
            raise DataError(f"{name} must be finite numbers, it is {', '.join(map(str, values))}")
    if min(std) <= 0:
        raise DataError(f"std must be above 0, it is {', '.join(map(str, std))}")
    return tuple(mean), tuple(std)


def _column(scale: Sequence[float]) -> Tensor:
    return torch.tensor(scale)[:, None, None]


def _as_it_is(batch: Any) -> Any:
    return batch
