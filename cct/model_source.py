"""What the command line says of a model: where it is and how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ModelSource:
    """A model as the user names it; nothing of it comes from a file.

    Attributes:
        path: the file.
        arch: `package.module:factory` or `./file.py:factory`; None if the file is a checkpoint of ours.
        arch_args: keyword arguments of the factory.
        key: where the file keeps the weights, if several places hold some.
        trust_pickle: whether a whole pickled module may be loaded, which runs code that the file names.
        shared: whether arch and key are for other files too; what a checkpoint of ours says for itself then counts.
    """

    path: Path
    arch: str | None = None
    arch_args: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    trust_pickle: bool = False
    shared: bool = False


def is_onnx(path: Path) -> bool:
    """Whether a file is ONNX, or claims to be, by its name or its first bytes."""
    if path.suffix.lower() == ".onnx":
        return True
    try:
        with path.open("rb") as file:
            return begins_as_onnx(file.read(3))
    except OSError:
        return False  # whoever reads it next says why it can't be read


def begins_as_onnx(head: bytes) -> bool:
    """Whether a file begins with ir_version and one of the fields that follow it."""
    return head[:1] == b"\x08" and b"\x03" <= head[1:2] <= b"\x20" and head[2:3] in (b"\x12", b"\x1a", b":", b"B")
