"""ONNX files, by the check that precedes ONNX Runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import atheris
import numpy as np
import onnx
from native.forge import MUTATIONS, base

from cct.validate import check_file

FILE = Path(tempfile.mkdtemp()) / "m.onnx"


def seeds() -> Iterator[bytes]:
    """Valid models of one PatternConv."""
    for number in range(30):
        yield base(number).model().SerializeToString()


def read(data: bytes) -> None:
    """Check a file."""
    FILE.write_bytes(data)
    check_file(FILE)


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Change the model where it is one, else or sometimes its bytes."""
    rng = np.random.default_rng(seed)
    try:
        model = onnx.load_from_string(data)
        if rng.random() < 0.7:
            MUTATIONS[rng.integers(len(MUTATIONS))](rng, model)
            changed: bytes = model.SerializeToString()
            if len(changed) <= most:
                return changed
    except Exception:
        pass  # no model any more, or one that this mutation does not fit
    return bytes(atheris.Mutate(data, most))


READ = (read,)
