"""What `--keep-faster` has chosen: the layers that stay dense, why, and the recipe that says so without measuring."""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from typing import Any

from cct.recipe.recipe import Recipe
from cct.report.table import aligned
from cct.tuning.choice_file import parts, plain, plain_list


@dataclass(frozen=True)
class LayerRow:
    """One layer that was to be pruned.

    Attributes:
        name: of the convolution.
        reason: why it stays dense; empty if it is packed.
        threads: with which it gains least; 0 where it was not measured.
        packed: milliseconds as PatternConv, with the layout reorders around it; 0 where it was not measured.
        dense: milliseconds as dense convolution, likewise.
    """

    name: str
    reason: str
    threads: int
    packed: float
    dense: float

    @classmethod
    def from_values(cls, content: Any) -> LayerRow:
        """Take apart what JSON holds; raises ValueError."""
        kinds = {"name": str, "reason": str, "threads": int, "packed": float, "dense": float}
        return cls(*map(plain, parts(content, *kinds), kinds.values()))


@dataclass(frozen=True)
class LayerChoice:
    """What is kept dense, and what compression that leaves to the others.

    Attributes:
        compression: weights / kept weights over the layers that are packed.
        layers: in the network's order.
    """

    compression: float
    layers: tuple[LayerRow, ...]

    @classmethod
    def from_values(cls, content: Any) -> LayerChoice:
        """Take apart what JSON holds; raises ValueError."""
        compression, layers = parts(content, "compression", "layers")
        return cls(plain(compression, float), tuple(map(LayerRow.from_values, plain_list(layers))))

    def applied_to(self, recipe: Recipe) -> Recipe:
        """The recipe that replays the choice."""
        dense = tuple(glob.escape(layer.name) for layer in self.layers if layer.reason)
        return replace(recipe, exclude=recipe.exclude + dense, compression=self.compression)

    def to_text(self) -> str:
        """For a terminal."""
        dense = [layer for layer in self.layers if layer.reason]
        packed = len(self.layers) - len(dense)
        if not dense:
            return f"keep-faster  all {packed} layers stay packed\n"
        head = f"keep-faster  {packed} of {len(self.layers)} layers are packed, at compression {self.compression:g}\n\n"
        rows = [("stays dense", "packed ms", "dense ms", "threads", "because")]
        for layer in dense:
            times = (f"{layer.packed:.3f}", f"{layer.dense:.3f}", str(layer.threads)) if layer.threads else ("-",) * 3
            rows.append((layer.name, *times, layer.reason))
        return head + aligned(rows, right=(1, 2, 3))
