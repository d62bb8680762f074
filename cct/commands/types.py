"""Parameter types that several commands share."""

from __future__ import annotations

import math

import click


class Block(click.ParamType[tuple[int, int]]):
    """`4x1`: output x input channels that share patterns."""

    name = "OUTxIN"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse; both numbers must be at least 1."""
        if isinstance(value, tuple):
            return value
        try:
            out_channels, in_channels = (int(part) for part in value.split("x"))
        except ValueError:
            self.fail(f"{value!r} is no block: give two numbers such as 4x1", param, ctx)
        if min(out_channels, in_channels) < 1:
            self.fail(f"{value!r} is no block: both numbers must be at least 1", param, ctx)
        return out_channels, in_channels


class Limit(click.ParamType[float]):
    """The limit of a gate: a number, not NaN, which no comparison would fail."""

    name = "float"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse; refuses NaN and infinity."""
        try:
            limit = float(value)
        except ValueError:
            limit = math.nan
        if not math.isfinite(limit):
            self.fail(f"{value!r} is no limit: give a number", param, ctx)
        return limit
