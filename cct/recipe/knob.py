"""A knob of a recipe in one line: default, what it may be, what it does, and its option on the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from cct.errors import RecipeError
from cct.messages import printable
from cct.recipe.knob_value import TYPE_NAMES, fits_float32, knob_value

MOST = 1_000_000  # of what is counted


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds.

    Attributes:
        low, high: the bounds, which belong to it unless they are open.
        words: what a number must be; where there are none, an error names the bound that is missed.
        open_low, open_high: whether the bound itself is too far.
    """

    low: float = -math.inf
    high: float = math.inf
    words: str = ""
    open_low: bool = False
    open_high: bool = False

    def fault(self, value: float) -> str:
        """What a number must be that is outside; empty if it is inside."""
        low, high = self._bounds()
        if value < self.low or (self.open_low and value == self.low):
            return self.words or low
        if value > self.high or (self.open_high and value == self.high):
            return self.words or high
        return ""

    def __str__(self) -> str:
        return self.words or ", ".join(filter(None, self._bounds()))

    def _bounds(self) -> tuple[str, str]:
        low = f"above {self.low}" if self.open_low else f"{self.low} or more"
        high = f"below {self.high}" if self.open_high else f"at most {self.high}"
        return low * math.isfinite(self.low), high * math.isfinite(self.high)


SHARE = Range(0, 1, "between 0 and 1")
NOT_NEGATIVE = Range(0)
POSITIVE = Range(0, open_low=True)
COUNT = Range(1, MOST)

Allowed = Range | tuple[str | int, ...] | Callable[[Any], object] | None


@dataclass(frozen=True)
class Knob:
    """What a knob may be; its type is that of the default.

    Attributes:
        default: its value where a recipe does not name it.
        allowed: a range, also of each part of a list; the choices; or what raises RecipeError for a wrong part.
        help: what it does, for the command line and the documentation.
        option: on the command line, perhaps with the name of its value: "--lr", "--include LAYER"; empty for none.
        items: type of a list's parts; None if it can't be a list.
        length: of a list that is not the default.
        words: what it may be, for the documentation, where `allowed` does not tell.
    """

    default: Any
    allowed: Allowed
    help: str
    option: str = ""
    items: type | None = None
    length: int | None = None
    words: str = ""

    def read(self, name: str, value: Any) -> Any:
        """Bring a value from TOML or Python to the knob's type.

        Args:
            name: of the knob, for the error.
            value: not trusted.

        Raises:
            RecipeError: it is not allowed.
        """
        value = knob_value(name, value, type(self.default), self.items)
        parts = value if isinstance(value, tuple) else (value,)
        if isinstance(self.allowed, tuple) and value not in self.allowed:
            choices = ", ".join(map(str, self.allowed))
            raise RecipeError(f"{name} is {value!r}: choose one of {choices}")
        if isinstance(self.allowed, Range) and value != self.default:
            right_length = self.length in (None, len(parts))
            faults = map(self.allowed.fault, parts) if right_length else [str(self.allowed)]
            fault = next(filter(None, faults), "")
            require(not fault, name, value, fault)
        if callable(self.allowed):
            for part in parts:
                self.allowed(part)
        require(all(map(fits_float32, parts)), name, value, "0, or what a float32 can hold")
        return value

    def allowed_text(self) -> str:
        """What it may be, for the documentation."""
        if self.words:
            return self.words
        if isinstance(self.allowed, tuple):
            return ", ".join(map(json.dumps, self.allowed))
        if isinstance(self.allowed, Range):
            return str(self.allowed)
        return TYPE_NAMES[self.items or type(self.default)] + " each" * (self.items is not None)


def knob(default: Any, allowed: Allowed, help: str, option: str = "", **lists: Any) -> Any:
    """The field of a section's dataclass; the arguments are the attributes of `Knob`."""
    return field(default=default, metadata={"knob": Knob(default, allowed, help, option, **lists)})


@dataclass(frozen=True, kw_only=True)
class Section:
    """Some of a recipe's knobs, each checked by itself when it is made; what concerns several, its class checks."""

    def __post_init__(self) -> None:
        for name, knob in knobs(type(self)).items():
            object.__setattr__(self, name, knob.read(name, getattr(self, name)))


def knobs(section: type[Section]) -> dict[str, Knob]:
    """Its knobs by name."""
    return {field.name: field.metadata["knob"] for field in fields(section)}


def require(holds: bool, name: str, value: object, wanted: str) -> None:
    """Raise RecipeError unless a condition holds."""
    if not holds:
        raise RecipeError(f"{name} is {printable(value)}: it must be {wanted}")
