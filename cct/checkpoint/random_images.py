"""Input for a network whose data is not at hand."""

from __future__ import annotations

import torch

from cct.checkpoint.loaded_model import LoadedModel
from cct.errors import CctError, UnsupportedModel
from cct.limits import check_input_size


def random_images(loaded: LoadedModel, size: tuple[int, int] | None, count: int) -> torch.Tensor:
    """Normal values as the network takes them, always the same: float32 (count, C, H, W).

    Raises:
        CctError: neither the file nor `size` says how large the images are, or they suit no network or memory.
    """
    size = size or loaded.size
    if loaded.channels is None:
        raise UnsupportedModel("the network has no 2-D convolution, so it takes no images")
    if size is None:
        raise CctError("the file does not say how large its images are: give --size, such as 224 or 480x640")
    check_input_size((count, loaded.channels, *size))
    return torch.randn(count, loaded.channels, *size, generator=torch.Generator().manual_seed(0))
