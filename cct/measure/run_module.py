"""`answer`: a module on images."""

from __future__ import annotations

from typing import Any

import torch

from cct.errors import CctError
from cct.messages import first_line


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
