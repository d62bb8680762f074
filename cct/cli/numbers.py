"""Numbers on the command line, in the digits 0 to 9: Python takes those of every script, and underscores."""

from __future__ import annotations

import re
from typing import Any

import click

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


def whole(text: str) -> int:
    """Read a whole number; raises ValueError."""
    if not _WHOLE.fullmatch(text):
        raise ValueError("no whole number")
    return int(text)


def number(text: str) -> float:
    """Read a number, which may be infinite by its size; raises ValueError."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("no number")
    return float(text)


class Whole(click.IntRange):
    """A whole number of a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse; refuses other digits than 0 to 9."""
        if isinstance(value, str) and not _WHOLE.fullmatch(value):
            self.fail(f"{value[:100]!r} is no whole number of up to 19 digits", param, ctx)
        return super().convert(value, param, ctx)


class Real(click.FloatRange):
    """A finite number of a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse; refuses NaN and infinity, which no comparison with a bound finds, and other digits than 0 to 9."""
        if isinstance(value, str) and (not _NUMBER.fullmatch(value) or abs(float(value)) == float("inf")):
            self.fail(f"{value[:100]!r} is no number", param, ctx)
        return super().convert(value, param, ctx)
