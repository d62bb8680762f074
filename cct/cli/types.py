"""Parameter types that several commands share."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any, Literal

import click

from cct.cli.numbers import number, whole
from cct.cli.paths import FileName
from cct.errors import RecipeError
from cct.gate.goals import Goal
from cct.limits import LARGEST_SIDE

FILE: click.ParamType[Path] = FileName(exists=True)
OUTPUT: click.ParamType[Path] = FileName(exists=False)

AUTO: Literal["auto"] = "auto"


class Block(click.ParamType[tuple[int, int] | Literal["auto"]]):
    """`4x1`: output x input channels that share patterns; or `auto`, for what measures best in each layer."""

    name = "OUTxIN|auto"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int] | Literal["auto"]:
        """Parse; both numbers must be at least 1."""
        if isinstance(value, tuple):
            return value
        if value == AUTO:
            return AUTO
        try:
            out_channels, in_channels = (whole(part) for part in value.split("x"))
        except ValueError:
            self.fail(f"{value!r} is no block: give two numbers such as 4x1, or auto", param, ctx)
        if min(out_channels, in_channels) < 1:
            self.fail(f"{value!r} is no block: both numbers must be at least 1", param, ctx)
        return out_channels, in_channels


class Limit(click.ParamType[float]):
    """The limit of a gate: a number, not NaN, which no comparison would fail."""

    name = "float"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse; refuses NaN and infinity."""
        try:
            limit = number(str(value))
        except ValueError:
            limit = math.nan
        if not math.isfinite(limit):
            self.fail(f"{value!r} is no limit: give a number", param, ctx)
        return limit


class Argument(click.ParamType[tuple[str, Any]]):
    """`NAME=VALUE`: an argument of a factory; the value is read as Python's literals are, else it is text."""

    name = "NAME=VALUE"

    def convert(
        self, value: str | tuple[str, Any], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Parse; the name must be one that a function can take."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not name.isidentifier():
            self.fail(f"{value!r} is no argument: give NAME=VALUE, such as num_classes=10", param, ctx)
        try:
            return name, ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return name, text


class GoalText(click.ParamType[Goal]):
    """`METRIC:KIND=LIMIT`, as `cct.gate.goals` reads it."""

    name = "goal"

    def convert(self, value: str | Goal, param: click.Parameter | None, ctx: click.Context | None) -> Goal:
        """Parse; says which part is wrong."""
        if isinstance(value, Goal):
            return value
        try:
            return Goal.parse(value)
        except RecipeError as error:
            self.fail(str(error), param, ctx)


class Numbers(click.ParamType[tuple[float, ...]]):
    """`0.485,0.456,0.406`: finite numbers, such as one a channel; whole ones if `kind` is int."""

    name = "NUMBER,..."

    def __init__(self, kind: type[float] = float) -> None:
        self.kind = kind

    def convert(
        self, value: str | tuple[float, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Parse; refuses NaN and infinity."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(number(part.strip()) for part in value.split(","))
        except ValueError:
            numbers = (math.nan,)
        if not all(math.isfinite(number) for number in numbers):
            self.fail(f"{value!r} is no list of numbers: give one a channel, such as 0.485,0.456,0.406", param, ctx)
        if self.kind is int and not all(number.is_integer() for number in numbers):
            self.fail(f"{value!r} is no list of whole numbers, such as 1,2,3", param, ctx)
        return tuple(map(self.kind, numbers))


class Size(click.ParamType[tuple[int, int]]):
    """`224` or `HEIGHTxWIDTH`, pixels."""

    name = "PIXELS"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse; each side from 1 to `LARGEST_SIDE`."""
        if isinstance(value, tuple):
            return value
        try:
            sides = [whole(part) for part in value.split("x")]
        except ValueError:
            sides = []
        if len(sides) not in (1, 2) or not all(1 <= side <= LARGEST_SIDE for side in sides):
            self.fail(f"{value!r} is no size: give 224 or HEIGHTxWIDTH, each from 1 to {LARGEST_SIDE}", param, ctx)
        return sides[0], sides[-1]


class Counts(click.ParamType[tuple[int, ...]]):
    """`1` or `1,2`: whole numbers from 1 on."""

    name = "N,..."

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse; each from 1 to 1024."""
        if isinstance(value, tuple):
            return value
        try:
            counts = tuple(whole(part.strip()) for part in value.split(","))
        except ValueError:
            counts = ()
        if not counts or not all(1 <= count <= 1024 for count in counts):
            self.fail(f"{value!r} is no number of threads: give 1 or 1,2, each from 1 to 1024", param, ctx)
        return counts


class CountOrAll(click.ParamType[int | Literal["all"]]):
    """`64` or `all`."""

    name = "N|all"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["all"]:
        """Parse; from 1 on."""
        if value == "all":
            return "all"
        try:
            count = whole(str(value))
        except ValueError:
            count = 0
        if count < 1:
            self.fail(f"{value!r} is no number of images: give one from 1 on, or all", param, ctx)
        return count
