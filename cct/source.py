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
    """

    path: Path
    arch: str | None = None
    arch_args: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    trust_pickle: bool = False
