"""Recipes: TOML text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from importlib.resources import files

import atheris
import numpy as np

from cct.recipe.recipe import Recipe

KNOBS = [field.name for field in fields(Recipe)]
VALUES = (
    "0", "1", "-1", "9", "0.5", "-0.0", "1e400", "nan", "inf", "true", "9223372036854775807", "1" + "0" * 30,
    "0x" + "f" * 4000, '""', '"x"', '"lasso"', '"taylor"', '"global"', '"float16"', '"accuracy:max-degradation=1"',
    '"latency:threshold=-inf"', '"""a\nb"""', '"\\u0000"', "1979-05-27", "07:32:00", "{a = 1}",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    """The recipes that ship, and the default one."""
    for entry in files("cct") / "recipe" / "builtin".iterdir():
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


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Give a knob another value, alone or in lists, or change the text."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.5:
        return bytes(atheris.Mutate(data, most))
    value = VALUES[rng.integers(len(VALUES))]
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 90])):
        value = f"[{', '.join([value] * int(rng.choice([0, 1, 1, 2, 4])))}]"[:most]
    knob = KNOBS[rng.integers(len(KNOBS))]
    lines = [line for line in data.decode(errors="replace").splitlines() if not line.startswith(f"{knob} ")]
    changed = "\n".join([*lines[: rng.integers(len(lines) + 1)], f"{knob} = {value}"]).encode()
    return changed if len(changed) <= most else bytes(atheris.Mutate(data, most))


READ = (read,)
