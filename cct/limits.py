"""How large images and made-up inputs may be, since options and files may ask for any size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cct.errors import CctError

LARGEST_SIDE = 4096  # pixels of an image
_LARGEST = 2**28  # numbers; a GiB of float32


def check_input_size(shape: Sequence[int]) -> None:
    """Refuse an input that no memory should be taken for.

    Raises:
        CctError: says so.
    """
    if math.prod(shape) > _LARGEST:
        raise CctError(f"an input of {'x'.join(map(str, shape))} is too large: {_LARGEST} numbers are the most")
