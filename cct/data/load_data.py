"""`load_data`: the images that `--data` names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cct.data.arrays import load_arrays
from cct.data.digits import load_digits
from cct.data.folder import load_folder
from cct.data.function import load_function
from cct.data.split import Data
from cct.data.wanted import Wanted
from cct.errors import DataError


def load_data(
    spec: str,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
) -> Data:
    """Read the images that `--data` names.

    Args:
        spec: `digits`; a folder with `train/<class>/*` and `val/<class>/*`; an `.npz`; or `package.module:function`
            or `./file.py:function`.
        mean: per channel, of pixels scaled to 0..1; default ImageNet's for 3 channels, else 0.5; its own for digits.
        std: per channel, likewise.
        size: (height, width) of the model's input, pixels; default the images' own when all are equal, else 224.
        channels: that the model takes; default 3 for folders, else the images' own.

    Raises:
        DataError: the images cannot be used; says which and why.
    """
    wanted = Wanted(mean, std, size, channels)
    path = Path(spec)
    if spec == "digits":
        return load_digits(wanted)
    if path.is_dir():
        return load_folder(path, wanted)
    if path.is_file():
        if path.suffix != ".npz":
            raise DataError(f"{path} is no .npz: give that, a folder with train/<class>/* and val/<class>/*, or digits")
        return load_arrays(path, wanted)
    if ":" in spec:
        return load_function(spec, wanted)
    raise DataError(
        f"{spec} is no folder and no .npz that exists: give `digits`, a folder with train/<class>/* and "
        "val/<class>/*, an .npz, or package.module:function"
    )
