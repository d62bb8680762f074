"""`spread_images`: which images are looked at where all would take too long; `batches_at`: those images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cct.measure.run_session import Floats

if TYPE_CHECKING:
    from cct.data import Data

_BATCH = 16  # that are in memory at once


def spread_images(labels: NDArray[np.int64], count: int | None) -> list[int]:
    """Positions of images that are spread over all classes, and within a class over the whole split.

    Classes take turns, the rarest give all they have. So a fault that shows on one class, or only late in a folder,
    has a chance to be seen.

    Args:
        labels: of all images, (N,).
        count: how many to choose, at least; where there are more classes, one of each. None for all.

    Returns:
        Ascending positions; all if there are no more than `count`.
    """
    if count is None or count >= len(labels):
        return list(range(len(labels)))
    by_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    count = max(count, len(by_class))
    shares = _shares([len(places) for places in by_class], count)
    chosen = [places[_evenly(len(places), share)] for places, share in zip(by_class, shares, strict=True) if share]
    return sorted(int(place) for places in chosen for place in places)


def batches_at(images: Data, chosen: Sequence[int]) -> Iterator[Floats]:
    """Validation images at these positions, some at a time: normalized, (n, C, H, W) float32."""
    for start in range(0, len(chosen), _BATCH):
        yield images.val.__getitems__(list(chosen[start : start + _BATCH]))[0].contiguous().numpy()


def _shares(sizes: list[int], count: int) -> list[int]:
    """Images of each class: equal shares, as far as a class has them, `count` in all."""
    shares = [0] * len(sizes)
    while (left := count - sum(shares)) > 0:
        open_classes = [i for i, size in enumerate(sizes) if shares[i] < size]
        each = max(1, left // len(open_classes))
        for i in open_classes[: left if each == 1 else None]:
            shares[i] = min(sizes[i], shares[i] + each)
    return shares


def _evenly(size: int, share: int) -> NDArray[np.int64]:
    """`share` different positions of `size`, in the middles of equal parts."""
    return ((np.arange(share) + 0.5) * size / share).astype(np.int64)
