"""Options that stand for knobs of a recipe: type, range, choices and help are the knob's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from cct.cli.numbers import Real, Whole
from cct.cli.types import Numbers
from cct.recipe.knob import Knob, Range, Section, knobs

Command = Callable[..., Any]

_ENDLESS = 2**53  # a bound that help need not name; the recipe knows it


def knob_options(section: type[Section], **changes: Mapping[str, Any]) -> Callable[[Command], Command]:
    """Give a command an option for each knob of a section that has one, in the section's order.

    The command gets an argument of the knob's name; None, or (), where the option is not given.

    Args:
        section: whose knobs are taken.
        changes: by a knob's name, what `click.option` is given instead, where the command line says more than a recipe.
    """

    def add(command: Command) -> Command:
        for name, knob in reversed(knobs(section).items()):
            if knob.option:
                flag, _, metavar = knob.option.partition(" ")
                settings = {"help": knob.help, "metavar": metavar or None, **_settings(knob), **changes.get(name, {})}
                switch = f"{flag}/--no-{flag.removeprefix('--')}" if type(knob.default) is bool else flag
                command = click.option(switch, name, **{"default": None, **settings})(command)
        return command

    return add


def _settings(knob: Knob) -> dict[str, Any]:
    """What `click.option` must know of the values."""
    if isinstance(knob.allowed, tuple):
        values = {str(value): value for value in knob.allowed}
        return {"type": click.Choice(list(values)), "callback": lambda ctx, option, text: values.get(text)}
    if knob.items is not None:
        return {"multiple": True} if knob.items is str else {"type": Numbers(knob.items)}
    number = {int: Whole, float: Real}.get(type(knob.default))
    return {"type": number(**_bounds(knob.allowed))} if number else {}


def _bounds(allowed: object) -> dict[str, Any]:
    """A knob's range, as click's ranges take it."""
    if not isinstance(allowed, Range):
        return {}
    low, high = (bound if abs(bound) < _ENDLESS else None for bound in (allowed.low, allowed.high))
    return {"min": low, "max": high, "min_open": allowed.open_low, "max_open": allowed.open_high}
