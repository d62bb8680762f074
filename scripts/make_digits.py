"""Make cct/data/digits.npz from scikit-learn's copy of UCI's handwritten digits; see cct/data/digits.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits


def main() -> None:
    """Write the images as they are (8x8, 0..16) and mark a third of each class as held out."""
    digits = load_digits()
    labels = digits.target.astype(np.uint8)
    held_out = np.zeros(len(labels), dtype=bool)
    random = np.random.default_rng(0)
    for label in range(10):
        members = random.permutation(np.flatnonzero(labels == label))
        held_out[members[: len(members) // 3]] = True
    target = Path(__file__).parent.parent / "cct" / "data" / "digits.npz"
    np.savez_compressed(target, images=digits.images.astype(np.uint8), labels=labels, val=held_out)
    print(f"{target.name}: {(~held_out).sum()} for training, {held_out.sum()} held out")


if __name__ == "__main__":
    main()
