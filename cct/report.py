"""What was done to a model: one row a convolution, and the figures over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Layer:
    """One convolution of an exported graph.

    Attributes:
        name: of the module that it was.
        op: operator that it became: PatternConv, or what it was.
        shape: of the dense weight.
        weights, kept: dense weights, and non-zero ones.
        macs: multiply-adds of the dense convolution for one image; 0 when the output size is not fixed.
        stored: weights in the packed form, padding included; 0 when dense.
        packed_bytes: bytes of the packed form, indices included; 0 when dense.
        block, patterns, entries: of the packed form.
        reason: why it stayed dense.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    weights: int
    kept: int
    macs: int
    stored: int = 0
    packed_bytes: int = 0
    block: tuple[int, int] = (1, 1)
    patterns: int = 0
    entries: int = 0
    reason: str = ""

    @property
    def packed(self) -> bool:
        """Whether it is a PatternConv."""
        return not self.reason

    @property
    def density(self) -> float:
        """Kept weights / weights."""
        return self.kept / self.weights if self.weights else 1.0


def as_json(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """The rows as plain values."""
    return [{**asdict(layer), "density": round(layer.density, 6)} for layer in layers]
