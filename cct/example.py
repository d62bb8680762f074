"""Input for a network whose data is not at hand."""

from __future__ import annotations

from typing import Any

import torch

from cct.checkpoint import LoadedModel
from cct.errors import CctError, UnsupportedModel
from cct.input_size import check_input_size
from cct.text import first_line


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


def answer(module: torch.nn.Module, images: torch.Tensor) -> Any:
    """Whatever the network answers, without gradients.

    Raises:
        CctError: it does not run on images of this size.
    """
    try:
        with torch.no_grad():
            return module(images)
    except (Exception, SystemExit) as error:  # the user's own code can raise anything
        shape = "x".join(map(str, images.shape[1:]))
        raise CctError(f"the network does not run on images of {shape}: {first_line(error)}; see --size") from error
