"""A folder in ImageFolder layout: `train/<class>/*` and `val/<class>/*`."""

from __future__ import annotations

from pathlib import Path

import torch

from cct.data.class_names import check_class_names
from cct.data.image_files import EXTENSIONS, MODES, FileImages, image_size
from cct.data.memory_images import MemoryImages
from cct.data.split import Data, ImageSource, make_data
from cct.data.wanted import Wanted
from cct.errors import DataError
from cct.messages import some

_MEMORY_LIMIT = 2**30  # bytes of decoded images that are kept; beyond it, each batch is decoded anew
_RGB = 3


def load_folder(root: Path, wanted: Wanted) -> Data:
    """Read a folder; images become RGB, or grey if the model takes one channel.

    Raises:
        DataError: the folder or an image in it cannot be used.
    """
    channels = wanted.channels or _RGB
    if channels not in MODES:
        raise DataError(f"{root}: the model takes {channels} channels, image files have 1 or 3: give an .npz")
    scale = wanted.scale(channels)
    try:
        classes, train_paths, train_labels = _list_split(root / "train")
        val_classes, val_paths, val_labels = _list_split(root / "val")
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    if classes != val_classes:
        odd = sorted(set(classes) ^ set(val_classes))
        raise DataError(f"{root}: train and val hold different classes; only in one of them: {some(odd, 5)}")
    sizes = {image_size(path) for path in [*train_paths, *val_paths]}
    own = sizes.pop() if len(sizes) == 1 else None
    paths = {"train": train_paths, "val": val_paths}

    def images(split: str, height: int, width: int) -> ImageSource:
        files = FileImages(paths[split], height, width, channels)
        small = own == (height, width) and channels * height * width * len(train_paths + val_paths) <= _MEMORY_LIMIT
        return MemoryImages(files.load(torch.arange(len(files)))) if small else files

    labels = {"train": torch.tensor(train_labels), "val": torch.tensor(val_labels)}
    name = root.resolve().name
    return make_data(name, classes, images, labels, own, wanted.size, channels, scale, augmented=True)


def _list_split(folder: Path) -> tuple[tuple[str, ...], list[Path], list[int]]:
    """Class names, image files and labels of one split."""
    if not folder.is_dir():
        beside = sorted(path.name for path in folder.parent.iterdir() if path.is_dir())
        raise DataError(f"{folder} is missing: the folders must be train and val; there is {some(beside, 5) or 'none'}")
    for path in folder.iterdir():
        if path.is_symlink() and not path.exists():
            raise DataError(f"{path} is a link to nothing, or to itself: remove or mend it")
    classes = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
    if len(classes) < 2:
        raise DataError(f"{folder} holds {len(classes)} class folders: at least 2 are needed, one folder per class")
    check_class_names(str(folder), classes, DataError)
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in EXTENSIONS)
        if not found:
            raise DataError(f"{folder / name} holds no image ({', '.join(sorted(EXTENSIONS))})")
        paths += found
        labels += [label] * len(found)
    return classes, paths, labels
