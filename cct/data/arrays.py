"""An `.npz` of x_train, y_train, x_val and y_val, perhaps classes and augment; docs/models-and-data.md has the form."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib import format as npy
from torch import Tensor

from cct.data.class_names import MOST_CLASSES, check_class_names
from cct.data.memory_images import MemoryImages, check_channels
from cct.data.split import Data, ImageSource, make_data
from cct.data.wanted import Wanted, is_normalized
from cct.errors import DataError
from cct.messages import first_line, some

_NEEDED = ("x_train", "y_train", "x_val", "y_val")
_OPTIONAL = ("classes", "augment")
_USUAL = 64 * 2**20  # bytes that no file is asked about
_RATIO = 100  # how much smaller than its arrays a larger file may be; deflate can reach 1000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others take memory as they like
_CHANNELS = (1, 3, 4)

Array = npt.NDArray[Any]


def load_arrays(path: Path, wanted: Wanted) -> Data:
    """Read an .npz; nothing in it is unpickled.

    Raises:
        DataError: an array is missing, or has another type, shape or values than it should.
    """
    arrays = _read(path)
    pixels = {split: _images(path, arrays, f"x_{split}", wanted.channels) for split in ("train", "val")}
    classes = _classes(path, arrays)
    labels = {split: _labels(path, arrays, split, classes) for split in ("train", "val")}
    counts = {x.shape[1] for x in pixels.values()}
    if len(counts) > 1:
        raise DataError(
            f"{path}: x_train and x_val have {pixels['train'].shape[1]} and {pixels['val'].shape[1]} channels"
        )
    channels = check_channels(str(path), counts.pop(), wanted.channels)
    scale = wanted.scale(channels)
    for split, x in pixels.items():
        _check_values(path, f"x_{split}", x, is_normalized(*scale))
    sizes = {(x.shape[2], x.shape[3]) for x in pixels.values()}

    def images(split: str, height: int, width: int) -> ImageSource:
        return MemoryImages(pixels[split], channels, (height, width))

    own = sizes.pop() if len(sizes) == 1 else None
    return make_data(path.name, classes, images, labels, own, wanted.size, channels, scale, _augment(path, arrays))


def _read(path: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {part.filename.removesuffix(".npy"): part for part in archive.infolist()}
            missing = [name for name in _NEEDED if name not in parts]
            if missing:
                there = f"it has {some(parts, 6) or 'none'}"
                raise DataError(f"{path} lacks {', '.join(missing)}; {there}: see cct's docs/models-and-data.md")
            names = [name for name in _NEEDED + _OPTIONAL if name in parts]
            if any(parts[name].compress_type not in _METHODS for name in names):
                raise DataError(f"{path} is compressed in a way that numpy never does: save it with numpy.savez")
            claimed = sum(parts[name].file_size for name in names)
            if claimed > max(_USUAL, _RATIO * path.stat().st_size):
                raise DataError(f"{path} claims {claimed} bytes, far more than it can hold: save it with numpy.savez")
            for name in names:
                with archive.open(parts[name]) as stream:
                    _check_header(path, name, cast(BinaryIO, stream), parts[name].file_size)
            arrays = {}
            for name in names:
                with archive.open(parts[name]) as stream:
                    arrays[name] = npy.read_array(cast(BinaryIO, stream), allow_pickle=False)
            return arrays
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{path} holds more than the memory does: give a folder of images") from error
    except Exception as error:  # zipfile, zlib and numpy raise many kinds
        raise DataError(f"{path} is no .npz, or is damaged ({first_line(error)})") from error


def _check_header(path: Path, name: str, stream: BinaryIO, length: int) -> None:
    """Check what the array claims to be, before there is memory for it."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    shape, _, dtype = readers[npy.read_magic(stream)](stream)
    if dtype.hasobject:
        raise DataError(f"{path}: {name} holds Python objects, and reading these runs code: save arrays of numbers")
    if dtype.itemsize == 0:  # texts of no character need no bytes, however many there are
        raise DataError(f"{path}: {name} has {dtype} of the shape {list(shape)}: save arrays of numbers or names")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != length - stream.tell():
        raise DataError(f"{path} is damaged: {name} is not as long as its shape {list(shape)} says")


def _images(path: Path, arrays: dict[str, Array], name: str, wanted: int | None) -> Tensor:
    """(N, C, H, W), uint8 or float32."""
    x = arrays[name]
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise DataError(f"{path}: {name} is {x.dtype}: save uint8 (0..255) or float32 (0..1)")
    if x.ndim not in (3, 4) or 0 in x.shape:
        raise DataError(f"{path}: {name} has the shape {list(x.shape)}: {_FORMS}")
    pixels = torch.from_numpy(x if x.dtype == np.uint8 else x.astype(np.float32, copy=False))
    if x.ndim == 3:
        return pixels[:, None]
    first, last = (x.shape[axis] == wanted for axis in (1, 3))
    if first == last:
        first, last = (x.shape[axis] in _CHANNELS for axis in (1, 3))
    if first == last:
        raise DataError(f"{path}: {name} has the shape {list(x.shape)}, which axis has the channels? {_FORMS}")
    return pixels if first else pixels.permute(0, 3, 1, 2)


_FORMS = "give (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels"


def _check_values(path: Path, name: str, x: Tensor, normalized: bool) -> None:
    if not x.is_floating_point():
        return
    if not x.isfinite().all():
        raise DataError(f"{path}: {name} holds NaN or infinity")
    low, high = x.min().item(), x.max().item()
    if not normalized and not 0 <= low <= high <= 1:
        raise DataError(
            f"{path}: {name} reaches from {low:g} to {high:g}, not within 0..1: save uint8, divide by 255, or give "
            "mean 0 and std 1 for each channel if it is normalized"
        )


def _labels(path: Path, arrays: dict[str, Array], split: str, classes: tuple[str, ...]) -> Tensor:
    name = f"y_{split}"
    y, count = arrays[name], len(arrays[f"x_{split}"])
    if y.shape == (count, 1):
        y = y[:, 0]
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise DataError(f"{path}: {name} is {y.dtype} of the shape {list(y.shape)}: give one whole number an image")
    if len(y) != count:
        raise DataError(f"{path}: {name} has {len(y)} labels, x_{split} has {count} images")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= len(classes):
        odd = low if low < 0 else high
        raise DataError(f"{path}: {name} has the label {odd}, there are {len(classes)} classes: they count from 0")
    return torch.from_numpy(y.astype(np.int64))


def _classes(path: Path, arrays: dict[str, Array]) -> tuple[str, ...]:
    """Their names, or "0", "1", ... up to the largest label of y_train."""
    if "classes" in arrays:
        if arrays["classes"].dtype.kind != "U" or arrays["classes"].ndim != 1:
            raise DataError(f"{path}: classes is no list of names: save numpy.array(['cat', 'dog'])")
        if len(arrays["classes"]) > MOST_CLASSES:
            raise DataError(f"{path}: classes has {len(arrays['classes'])} names: {MOST_CLASSES} are the most")
        names = tuple(str(name) for name in arrays["classes"])
        check_class_names(str(path), names, DataError)
    else:
        y = arrays["y_train"]
        count = int(y.max()) + 1 if y.size and y.dtype.kind in "iu" else 0
        if count > MOST_CLASSES:
            raise DataError(f"{path}: y_train has the label {count - 1}: classes count from 0")
        names = tuple(str(label) for label in range(count))
    if len(names) < 2 and arrays["y_train"].dtype.kind in "iu":
        raise DataError(f"{path} has {len(names)} class: at least 2 are needed")
    return names


def _augment(path: Path, arrays: dict[str, Array]) -> bool:
    given = arrays.get("augment", np.array(True))
    if given.shape != () or given.dtype != np.bool_:
        raise DataError(f"{path}: augment is {given.dtype} of the shape {list(given.shape)}: save True or False")
    return bool(given)
