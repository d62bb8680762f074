"""ONNX files: the check that precedes ONNX Runtime, and `cct inspect`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import atheris
import numpy as np
import onnx

from cct.operator.read_model import read_model
from cct.workflows.inspect_onnx import inspect_onnx
from tests.native.forged.base_model import base
from tests.native.forged.forge import MUTATIONS

FILE = Path(tempfile.mkdtemp()) / "m.onnx"
DENSE = """<ir_version: 10, opset_import: ["": 18]>
dense (float[1, 1, 8, 8] X) => (float[1, 1, 8, 8] Y)
<float[2, 1, 2, 2] W = {1, 0, 1, 0, 1, 0, 1, 0}, float[2, 1, 2, 2] U = {1, 2, 3, 4, 5, 6, 7, 8}>
{ C = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (X, W)  Y = ConvTranspose <strides = [2, 2]> (C, U) }"""


def seeds() -> Iterator[bytes]:
    """Valid models of one PatternConv, and one of dense convolutions."""
    yield onnx.parser.parse_model(DENSE).SerializeToString()
    for number in range(30):
        yield base(number).model().SerializeToString()


def check(data: bytes) -> None:
    """What every command does first."""
    FILE.write_bytes(data)
    read_model(FILE)


def inspect(data: bytes) -> None:
    """`cct inspect`, and what it prints."""
    FILE.write_bytes(data)
    inspection = inspect_onnx(FILE)
    inspection.to_text()
    inspection.to_json()


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


READ = (check, inspect)
