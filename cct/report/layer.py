"""`Layer`: one row a convolution, and what follows from the rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cct.report.table import aligned


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
    def density(self) -> float:
        """Kept weights / weights."""
        return self.kept / self.weights if self.weights else 1.0


def layer_table(layers: Iterable[Layer]) -> str:
    """One line a convolution: what it became, or why it stayed dense."""
    rows = [("layer", "weight", "density", "stored as")]
    for layer in layers:
        form = f"{layer.block[0]}x{layer.block[1]}, {layer.patterns} patterns of {layer.entries}"
        shape = "x".join(map(str, layer.shape))
        rows.append((layer.name, shape, f"{layer.density:.3f}", f"dense: {layer.reason}" if layer.reason else form))
    return aligned(rows)


def weights_per_kept(layers: Sequence[Layer]) -> float:
    """Compression over these layers; 1 if there are none."""
    return times_smaller(sum(layer.weights for layer in layers), sum(layer.kept for layer in layers))


def times_smaller(whole: float, part: float) -> float:
    """Whole / part, rounded; 1 where there is no part."""
    return round(whole / part, 4) if part else 1.0
