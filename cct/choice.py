"""What `--keep-faster` has chosen: the layers that stay dense, why, and the recipe that says so without measuring."""

from __future__ import annotations

import glob
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from cct.errors import RecipeError, StateError
from cct.json_text import as_json
from cct.output import write
from cct.recipe import Recipe
from cct.table import aligned


@dataclass(frozen=True)
class LayerChoice:
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


@dataclass(frozen=True)
class Choice:
    """What is kept dense, and what compression that leaves to the others.

    Attributes:
        compression: weights / kept weights over the layers that are packed.
        layers: in the network's order.
    """

    compression: float
    layers: tuple[LayerChoice, ...]

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


def write_choice(choice: Choice, path: Path) -> None:
    """Save a choice, so that a run which is resumed need not measure again, and choose otherwise."""
    write(path, as_json(asdict(choice)).encode())


def read_choice(path: Path) -> Choice:
    """Read what `write_choice` wrote.

    Raises:
        StateError: the file is missing or damaged.
    """
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict) or set(content) != {"compression", "layers"}:
            raise ValueError("it has other parts")
        choice = Choice(_number(content["compression"]), tuple(map(_layer, _list(content["layers"]))))
        choice.applied_to(Recipe())
    except (OSError, ValueError, TypeError, RecursionError, RecipeError) as error:
        raise StateError(
            f"{path} can't be continued, it is missing or damaged: delete {path.parent} to start anew"
        ) from error
    return choice


def _layer(content: Any) -> LayerChoice:
    layer = LayerChoice(**content)
    for field in fields(layer):
        if type(getattr(layer, field.name)).__name__ != field.type:
            raise ValueError(f"{field.name} has another type")
    _number(layer.packed), _number(layer.dense)
    return layer


def _number(content: Any) -> float:
    if type(content) is not float or not math.isfinite(content):
        raise ValueError("no number")
    return content


def _list(content: Any) -> Sequence[Any]:
    if not isinstance(content, list):
        raise ValueError("no list")
    return content
