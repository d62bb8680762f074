"""`--data` as an .npz."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import archive
import numpy as np
import torch

from cct.data.load_data import load_data

FILE = Path(tempfile.mkdtemp()) / "d.npz"
NAMES = ("x_train", "y_train", "x_val", "y_val", "classes", "augment")


def seeds() -> Iterator[bytes]:
    """Grey and colour, bytes and floats, with and without names."""
    rng = np.random.default_rng(0)
    for shape in ((6, 5, 5), (6, 5, 4, 3), (6, 1, 4, 5)):
        x = rng.integers(0, 256, shape, np.uint8)
        y = np.array([0, 1, 2, 0, 1, 2])
        arrays: dict[str, Any] = {"x_train": x, "y_train": y, "x_val": x[:3], "y_val": y[:3]}
        yield _file(arrays)
        floats = {"x_train": x / np.float32(255), "x_val": x[:3] / np.float32(255)}
        yield _file({**arrays, **floats, "classes": np.array(["a", "b", "c"]), "augment": np.array(False)})


def read(data: bytes) -> None:
    """Load the images, and make a batch for training and one for measuring."""
    FILE.write_bytes(data)
    images = load_data(str(FILE))
    if max(images.size) > 64:
        return  # allowed, and slow
    for split, generator in (("train", torch.Generator()), ("val", None)):
        for batch, labels in images.batches(split, 3, generator):
            assert len(batch) == len(labels)
            assert batch.isfinite().all()
    images.example()


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Another array in one place, or what is done to any archive."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.4:
        try:
            with np.load(io.BytesIO(data)) as file:
                arrays = dict(file)
            name = NAMES[rng.integers(len(NAMES))]
            arrays[name] = _odd_array(rng, arrays.get(name, np.arange(4)))
            changed = _file(arrays)
            if len(changed) <= most:
                return changed
        except Exception:
            pass  # no .npz any more
    return archive.mutate(data, most, seed)


def _odd_array(rng: np.random.Generator, array: Any) -> Any:
    value = float(rng.choice([-1, 0, 1, 2, 255, 1e9, 1e30, float("nan"), float("inf")]))
    kind = str(rng.choice(["u1", "i1", ">i4", "i8", "u8", "f2", ">f4", "f8", "g", "?", "U3", "S3", "c8", "M8[s]"]))
    makers = [
        lambda: array.astype(kind),
        lambda: np.full_like(array, value),
        lambda: array[:0],
        lambda: array[:1],
        lambda: array[..., None],
        lambda: array[None],
        lambda: array.reshape(-1),
        lambda: array.T,
        lambda: np.concatenate([array, array]),
        lambda: np.array(kind),
        lambda: np.array(["", "\n", "\x00", "\ud800"]),
        lambda: np.zeros(3, "i4,f4"),
    ]
    with np.errstate(all="ignore"):
        return makers[rng.integers(len(makers))]()


def _file(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


READ = (read,)
