"""Recipes: TOML text."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from cct.recipe import Recipe


def seeds() -> Iterator[bytes]:
    """The recipes that ship, and the default one."""
    for entry in files("cct").joinpath("recipes").iterdir():
        yield entry.read_bytes()
    yield Recipe().to_toml().encode()
    yield b'pool = [[0, 1, 3, 4], [4, 5, 7, 8]]\ninclude = ["layer1.*"]\ngoals = ["accuracy:threshold=90"]'


def read(data: bytes) -> None:
    """Read a recipe, and what is written of it again."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    recipe = Recipe.from_toml(text)
    assert Recipe.from_toml(recipe.to_toml()) == recipe


READ = (read,)
