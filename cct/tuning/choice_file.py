"""What measuring has chosen, in a file, so that a run which is resumed need not measure again, and choose otherwise."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cct.atomic_files import write
from cct.errors import RecipeError, StateError
from cct.recipe.recipe import Recipe
from cct.report.plain_json import as_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Replayable(Protocol):
    """What can be read: a dataclass that checks its values, and says in a recipe what was chosen."""

    @classmethod
    def from_values(cls, content: Any) -> Any:
        """The choice from plain values; raises ValueError or TypeError."""

    def applied_to(self, recipe: Recipe) -> Recipe:
        """The recipe that replays the choice."""


_Choice = TypeVar("_Choice", bound=Replayable)


def write_choice(choice: DataclassInstance, path: Path) -> None:
    """Save a choice."""
    write(path, as_json(asdict(choice)).encode())


def read_choice(path: Path, kind: type[_Choice]) -> _Choice:
    """Read what `write_choice` wrote.

    Raises:
        StateError: the file is missing or damaged.
    """
    try:
        choice: _Choice = kind.from_values(json.loads(path.read_bytes()))
        choice.applied_to(Recipe())
    except (OSError, ValueError, TypeError, RecursionError, RecipeError) as error:
        raise StateError(
            f"{path} can't be continued, it is missing or damaged: delete {path.parent} to start anew"
        ) from error
    return choice


def parts(content: Any, *names: str) -> list[Any]:
    """The values of an object that has these names and no others.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(content, dict) or set(content) != set(names):
        raise ValueError("it has other parts")
    return [content[name] for name in names]


def plain(content: Any, kind: type[Any]) -> Any:
    """A value of exactly this type; a float must be finite.

    Raises:
        ValueError: it is none.
    """
    if type(content) is not kind:
        raise ValueError(f"no {kind.__name__}")
    if isinstance(content, float) and not math.isfinite(content):
        raise ValueError("no finite number")
    return content


def plain_list(content: Any) -> Sequence[Any]:
    """A list.

    Raises:
        ValueError: it is none.
    """
    items: list[Any] = plain(content, list)
    return items
