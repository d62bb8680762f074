"""Values of a recipe's knobs, from TOML or Python."""

from __future__ import annotations

import math
from typing import Any

from cct.errors import RecipeError

TYPE_NAMES = {
    bool: "true or false",
    float: "a finite number",
    int: "a whole number",
    str: "a text",
    tuple: "a list",
}
_LARGEST = 2.0**127 * (2 - 2.0**-23)  # what a float32 can hold, in which all of them end
_SMALLEST = 2.0**-126


def knob_value(name: str, value: Any, kind: type, items: type | None) -> Any:
    """Bring a value from TOML or Python to the knob's type; lists become tuples.

    Args:
        name: of the knob, for the error.
        value: not trusted.
        kind: type of the knob; `tuple` for a list.
        items: type of a list's parts; None if it can't be a list.

    Raises:
        RecipeError: it is of another type, or a number that is not finite or has more than 64 bits.
    """
    if not _fits_64_bits(value):  # nor are the digits of a longer one always written out
        raise RecipeError(f"{name} holds a number of more than 64 bits")
    if isinstance(value, list | tuple):
        value = tuple(tuple(item) if isinstance(item, list | tuple) else item for item in value)
        if items is None:
            raise RecipeError(f"{name} is a list: it must be {TYPE_NAMES[kind]}")
        if items is float:
            value = tuple(_float(item) for item in value)
        if not all(type(item) is items and (type(item) is not float or math.isfinite(item)) for item in value):
            raise RecipeError(f"{name} is {value}: each part must be {TYPE_NAMES[items]}")
        return value
    if kind is float:
        value = _float(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise RecipeError(f"{name} is {value!r}: it must be {TYPE_NAMES[kind]}")
    return value


def _fits_64_bits(value: Any) -> bool:
    """Whether all whole numbers in a value do."""
    if isinstance(value, list | tuple):
        return all(map(_fits_64_bits, value))
    return not isinstance(value, int) or abs(value) < 2**64


def fits_float32(value: Any) -> bool:
    """Whether a float is neither infinite nor 0 as a float32, unless it is 0; true of anything else."""
    return type(value) is not float or value == 0 or _SMALLEST <= abs(value) <= _LARGEST


def _float(value: Any) -> Any:
    """A whole number as a float, anything else as it is."""
    return float(value) if type(value) is int else value
