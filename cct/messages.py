"""Foreign text in our one-line messages."""

from __future__ import annotations

from collections.abc import Iterable

_NAMES = 3
_LENGTH = 100  # characters of a name
_LINE = 300  # characters of what an exception says
_MESSAGE = 2000  # characters of a message of ours, which may hold paths


def printable(value: object, length: int = _LENGTH) -> str:
    """A name that comes from a file, on one line, without control characters, cut if it is long."""
    try:
        text = str(value)
    except ValueError:  # more digits than Python writes out
        text = "a number too long to write"
    text = text if len(text) <= length else text[:length] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def some(names: Iterable[object], count: int = _NAMES) -> str:
    """The first names, and how many more there are."""
    every = list(names)
    shown = ", ".join(printable(name) for name in every[:count])
    return shown if len(every) <= count else f"{shown} and {len(every) - count} more"


def message(text: str) -> str:
    """A whole message of ours, as `printable` has it."""
    return printable(text, _MESSAGE)


def first_line(error: BaseException) -> str:
    """What an exception says, as `printable` has it."""
    if isinstance(error, SystemExit):
        return printable(f"sys.exit({error})", _LINE)
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return printable(line, _LINE)
