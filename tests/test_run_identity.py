"""What tells one training from another: the routines that compute it too."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cct.data import Data, load_data
from cct.library import isa_rows, supported
from cct.recipe import Recipe
from cct.run_identity import difference, run_identity

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
