"""`spread_images`: which images are looked at where all would take too long; `batches_at`: those images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cct.measure.run_session import Floats

if TYPE_CHECKING:
    from cct.data.split import Data

_FEWEST, _SIZES = 3, 14  # images that are in memory at once: 3 to 16
_USUAL = 64


def parity_count(labels: NDArray[np.int64], asked: int | Literal["all"] | None) -> int | None:
    """On how many images parity is measured, as `spread_images` takes it.

    Args:
        labels: of all images.
        asked: by the user; None for 64, or one of each class where there are more.
    """
    if asked == "all":
        return None
    return max(_USUAL, len(np.unique(labels))) if asked is None else asked


def spread_images(labels: NDArray[np.int64], count: int | None, seed: int) -> list[int]:
    """Positions of images that are spread over all classes, and within a class over the whole split.

    Classes take turns, the rarest give all they have. So a fault that shows on one class, or only late in a folder,
    has a chance to be seen.

    Args:
        labels: of all images, (N,).
        count: how many to choose; None for all.
        seed: which ones: another one for each file, so that none can be made for them.

    Returns:
        Ascending positions; all if there are no more than `count`.
    """
    if count is None or count >= len(labels):
        return list(range(len(labels)))
    order = np.argsort(labels, kind="stable")
    _, starts = np.unique(labels[order], return_index=True)
    by_class = np.split(order, starts[1:])
    shares = _shares([len(places) for places in by_class], count)
    rng = np.random.default_rng(seed)
    chosen = [places[_spread(len(places), share, rng)] for places, share in zip(by_class, shares, strict=True) if share]
    return sorted(int(place) for places in chosen for place in places)


def batches_at(images: Data, chosen: Sequence[int], seed: int) -> Iterator[Floats]:
    """Validation images at these positions, as many at a time as the seed says: (n, C, H, W) float32, normalized."""
    size = _FEWEST + seed % _SIZES
    for start in range(0, len(chosen), size):
        yield images.val.__getitems__(list(chosen[start : start + size]))[0].contiguous().numpy()


def image_at(images: Data, positions: Sequence[int]) -> Floats:
    """Validation images at a few positions, all at once."""
    return images.val.__getitems__(list(positions))[0].contiguous().numpy()


def _shares(sizes: list[int], count: int) -> list[int]:
    """Images of each class: equal shares, as far as a class has them, `count` in all."""
    shares = [0] * len(sizes)
    while (left := count - sum(shares)) > 0:
        open_classes = [i for i, size in enumerate(sizes) if shares[i] < size]
        each = max(1, left // len(open_classes))
        for i in open_classes[: left if each == 1 else None]:
            shares[i] = min(sizes[i], shares[i] + each)
    return shares


def _spread(size: int, share: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`share` different positions of `size`, one in each of equal parts."""
    starts = np.arange(share + 1) * size // share
    return rng.integers(starts[:-1], starts[1:])
