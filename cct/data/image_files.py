"""Images in files, decoded when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from cct.errors import DataError
from cct.messages import first_line
from cct.regular_file import check_regular

EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
# Pillow chooses by the first bytes, whatever the name says, and some of its other readers start a program: of these
# alone may one be reached.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MODES = {1: "L", 3: "RGB"}  # channels -> Pillow's name
_TO_BYTE = 257  # 65535 / 255


class FileImages:
    """Images that are decoded when asked for: resized to cover `height` x `width`, the rest cut off evenly.

    Args:
        paths: the files.
        height: in pixels.
        width: in pixels.
        channels: 1 or 3.
    """

    def __init__(self, paths: Sequence[Path], height: int, width: int, channels: int) -> None:
        self.paths, self.height, self.width, self.channels = list(paths), height, width, channels

    def __len__(self) -> int:
        return len(self.paths)

    def load(self, indices: Tensor) -> Tensor:
        """Return uint8 (n, C, height, width)."""
        chosen = [self.paths[i] for i in indices.tolist()]
        pixels = torch.empty(len(chosen), self.channels, self.height, self.width, dtype=torch.uint8)

        def decode(index: int) -> None:
            decoded = torch.from_numpy(_decode(chosen[index], self.height, self.width, MODES[self.channels]))
            pixels[index] = decoded if self.channels == 1 else decoded.permute(2, 0, 1)

        with ThreadPoolExecutor(max_workers=torch.get_num_threads()) as pool:
            for _ in pool.map(decode, range(len(chosen))):
                pass
        return pixels


def image_size(path: Path) -> tuple[int, int]:
    """Height and width.

    Raises:
        DataError: the file is no image.
    """
    try:
        check_regular(path)  # a pipe would be waited for
        with Image.open(path, formats=FORMATS) as image:
            return image.height, image.width
    except Exception as error:  # Pillow raises many kinds
        raise _unreadable(path, error) from error


def _decode(path: Path, height: int, width: int, mode: str) -> npt.NDArray[np.uint8]:
    """Decode to (height, width) or (height, width, 3), resized to cover and cut evenly where the size differs."""
    try:
        with Image.open(path, formats=FORMATS) as file:
            image = _to_mode(file, mode)
    except Exception as error:  # as above
        raise _unreadable(path, error) from error
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


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, UnidentifiedImageError):  # whose text has the whole path once more
        reason = f"none of {', '.join(FORMATS)}"
    else:
        reason = "larger than the memory" if isinstance(error, MemoryError) else first_line(error)
    return DataError(f"{path} is no readable image: remove or replace it ({reason})")


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert to 8 bits of grey or RGB; what is transparent is shown as the colour that it hides."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        pixels = np.asarray(image).astype(np.int64)  # Pillow's own conversion cuts at 255
        return Image.fromarray((pixels // _TO_BYTE).astype(np.uint8)).convert(mode)
    if image.mode in ("I", "F"):
        raise ValueError("its pixels have 32 bits: save it with 8 or 16")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)
