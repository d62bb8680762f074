"""Every knob of a run: a frozen dataclass, read from and written to TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from importlib.resources import files
from textwrap import fill
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from cct.errors import RecipeError
from cct.recipe.blocks import Block, LayerBlock
from cct.recipe.export import Export
from cct.recipe.images import Images
from cct.recipe.knob import Section, knobs
from cct.recipe.pruning import Pruning
from cct.recipe.target import TARGETS
from cct.recipe.training import Training

SECTIONS: tuple[type[Section], ...] = (Pruning, Training, Images, Export)

_LONGEST = 100_000  # characters; the parser slows down with each


@dataclass(frozen=True, kw_only=True)
class Recipe(Export, Images, Training, Pruning):  # a dataclass has the last one's fields first
    """How a network is pruned while it is fine-tuned. The defaults are what measured best."""

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Read a recipe; what it does not name keeps its default.

        Raises:
            RecipeError: no TOML, an unknown knob, or a value that is not allowed.
        """
        if len(text) > _LONGEST:
            raise RecipeError(f"the recipe has {len(text)} characters: it must have at most {_LONGEST}")
        try:
            values = tomlkit.parse(text).unwrap()
        except (TOMLKitError, RecursionError) as error:
            raise RecipeError(f"the recipe is no TOML: {error}") from error
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Recipe:
        """Make a recipe of plain values, as TOML gives them; what they leave open follows from their target.

        Raises:
            RecipeError: an unknown knob, or a value that is not allowed.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                near = get_close_matches(name, names, n=1, cutoff=0) or names
                raise RecipeError(f"a recipe has no knob {name!r}; the nearest is {near[0]}")
        target = values.get("target", "cpu")
        implied = asdict(TARGETS[target]) if isinstance(target, str) and target in TARGETS else {}
        return cls(**{**implied, **values})

    @classmethod
    def named(cls, name: str) -> Recipe:
        """One of the recipes that come with the tool, such as `clicktrain-paper`.

        Raises:
            RecipeError: there is no such recipe.
        """
        folder = files("cct") / "recipe" / "builtin"
        known = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
        if name not in known:
            raise RecipeError(f"there is no recipe {name!r}; the tool has {', '.join(known)}")
        return cls.from_toml(folder.joinpath(f"{name}.toml").read_text(encoding="utf-8"))

    def for_target(self, target: str | None) -> Recipe:
        """The recipe for another target, whose block and types go before what was; the same for None or its own."""
        if target in (None, self.target):
            return self
        return replace(self, target=target, blocks=(), **asdict(TARGETS[target]))

    def block_of(self, name: str) -> Block:
        """The block of the convolution of this name: of the first of `blocks` that fits it, else `block`."""
        entries = map(LayerBlock.parse, self.blocks)
        return next((entry.block for entry in entries if entry.fits(name)), self.block)

    def to_toml(self) -> str:
        """Write every knob, a paragraph a section, so that the text says all even if a default changes later."""
        values = asdict(self)
        return "\n".join(tomlkit.dumps({name: values[name] for name in knobs(section)}) for section in SECTIONS)


def _attributes() -> str:
    """Every knob, for `help(Recipe)`."""
    lines = [
        f"{name}: {knob.help} ({knob.allowed_text()}; {json.dumps(knob.default)})"
        for name, knob in knobs(Recipe).items()
    ]
    return "".join(f"\n{fill(line, 120, initial_indent=' ' * 8, subsequent_indent=' ' * 12)}" for line in lines)


Recipe.__doc__ = f"{Recipe.__doc__}\n\n    Attributes:{_attributes()}\n    "
