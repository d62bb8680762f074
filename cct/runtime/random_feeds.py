"""`random_feeds`: input for a session whose data is not at hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from cct.errors import CctError
from cct.limits import check_input_size
from cct.messages import printable

_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_WHOLES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_}


def random_feeds(
    opened: Any, batch: int, seed: int, size: tuple[int, int] | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Values for every input of a session: normal ones, or 0 and 1 for whole numbers, which may be indices.

    Args:
        opened: the session.
        batch: the first dimension of an input, where it is free.
        seed: of the values.
        size: the last two dimensions of images, likewise.

    Raises:
        CctError: another dimension is free, the type is not known, or an input is very large.
    """
    rng = np.random.default_rng(seed)
    feeds = {}
    for value in opened.get_inputs():
        free = {0: batch}
        if size is not None and len(value.shape) == 4:
            free |= {2: size[0], 3: size[1]}
        shape = [d if isinstance(d, int) else free.get(i, 0) for i, d in enumerate(value.shape)]
        if 0 in shape:
            hint = "give --size" if size is None and len(shape) == 4 else "give a file with fixed shapes"
            raise CctError(f"input {printable(value.name)} is open in dimension {shape.index(0)}: {hint}")
        check_input_size(shape)
        if value.type in _FLOATS:
            feeds[value.name] = rng.standard_normal(shape).astype(_FLOATS[value.type])
        elif value.type in _WHOLES:
            feeds[value.name] = rng.integers(0, 2, shape).astype(_WHOLES[value.type])
        else:
            raise CctError(f"input {printable(value.name)} is a {value.type}: bench makes numbers only")
    return feeds
