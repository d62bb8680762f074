"""What tells one training from another: the routines that compute it too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cct.data.load_data import load_data
from cct.data.split import Data
from cct.recipe.recipe import Recipe
from cct.runtime.library import isa_rows, supported
from cct.training.run_identity import difference, run_identity

ROWS = [row.name for row in isa_rows() if row.supported]

pytestmark = pytest.mark.skipif(not supported(), reason="this platform has no library")


@pytest.fixture(scope="module")
def digits() -> Data:
    return load_data("digits")


def identity(digits: Data, device: str = "cpu", recipe: Recipe | None = None) -> dict[str, str]:
    return run_identity({"model": "a"}, recipe or Recipe(), digits, torch.device(device))


def test_another_row_of_routines_is_another_run(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their sums have other last bits, so a run begun by one and continued by another would be neither's."""
    runs = {}
    for row in ROWS:
        monkeypatch.setenv("CCT_ISA", row)
        runs[row] = identity(digits)
    assert len({tuple(run.items()) for run in runs.values()}) == len(ROWS)
    assert difference(runs[ROWS[0]], runs["generic"]) == f"isa is {ROWS[0]}, was generic"


def test_the_row_that_is_chosen_is_the_same_when_it_is_named(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CCT_ISA", raising=False)
    chosen = identity(digits)
    for value in (ROWS[0], ""):  # an empty one is none
        monkeypatch.setenv("CCT_ISA", value)
        assert identity(digits) == chosen


def test_where_no_routine_has_a_say(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU torch computes all of it, with the recipe's knob off likewise."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    dense = replace(Recipe(), sparse_training="off")
    seen = []
    for row in ("generic", ROWS[0]):
        monkeypatch.setenv("CCT_ISA", row)
        seen.append((identity(digits, "cuda"), identity(digits, recipe=dense)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("change", ["replaced", "exchanged", "renamed"])
def test_images_in_files_are_looked_at(change: str, tmp_path: Path) -> None:
    """Of two sizes, so that they are decoded as needed."""
    rng = np.random.default_rng(0)
    for number in range(8):
        file = tmp_path / ("train", "val")[number % 2] / "ab"[number // 4] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16 + number, 16, 3), np.uint8)).save(file)
    before = identity(load_data(str(tmp_path), size=(16, 16)))
    assert difference(identity(load_data(str(tmp_path), size=(16, 16))), before) is None
    first, second = tmp_path / "train" / "a" / "0.png", tmp_path / "train" / "a" / "2.png"
    if change == "replaced":
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(first)
    elif change == "exchanged":
        first.rename(tmp_path / "aside")
        second.rename(first)
        (tmp_path / "aside").rename(second)
    else:
        first.rename(first.with_name("1.png"))
    assert "data is" in str(difference(identity(load_data(str(tmp_path), size=(16, 16))), before))


@pytest.mark.parametrize("change", [{"weights": "float16"}, {"activations": "float16"}, {"portable": True}])
def test_the_form_of_the_file_has_no_say_in_the_training(digits: Data, change: dict[str, Any]) -> None:
    now, then = identity(digits, recipe=replace(Recipe(), **change)), identity(digits)
    assert difference(now, then) is None
    assert difference(now, then | {"weights": "'float32'"}) is None  # as an earlier version kept it
    assert difference(identity(digits, recipe=Recipe(epochs=3)), then) == "epochs is 3, was 10"
