"""`LoadedModel`: a network and what its file says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class LoadedModel:
    """A network and what its file says about it.

    Attributes:
        module: float32, on the CPU, in eval mode.
        arch: its key in `MODELS`, None if it came from elsewhere.
        arch_args: what `MODELS[arch]` was called with.
        sha256: of the file, hexadecimal.
        mean: per channel, of pixels scaled to 0..1; None if the file does not say.
        std: likewise.
        size: (height, width) in pixels; None if the file does not say.
        classes: by output; None if the file does not say.
        recipe: TOML text; None if the file does not say.
    """

    module: nn.Module
    arch: str | None
    arch_args: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    classes: tuple[str, ...] | None = None
    recipe: str | None = None

    @property
    def channels(self) -> int | None:
        """What the first convolution takes; None if there is none."""
        found = (m.in_channels for m in self.module.modules() if isinstance(m, nn.Conv2d))
        return next(found, None)
