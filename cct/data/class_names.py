"""Classes: how many there may be, and their names, which stand in files and reports, one a line."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from cct.errors import CctError
from cct.messages import printable

MOST_CLASSES = 100_000
_REFUSED = ("Cc", "Cs", "Zl", "Zp")  # controls, halves of characters, ends of lines and paragraphs


def check_class_names(where: str, names: Iterable[str], error: type[CctError]) -> None:
    """Refuse names that no text file can hold, or not on one line.

    Raises:
        CctError: of the class `error`: names the first.
    """
    for name in names:
        if any(unicodedata.category(character) in _REFUSED for character in name):
            raise error(f"{where} has the class {printable(name)}: give names of one line, in letters that UTF-8 has")
