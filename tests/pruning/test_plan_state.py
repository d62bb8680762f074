"""Forged states of ClickTrain: every value is checked before use."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from cct.errors import StateError
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from tests.support.small_network import small

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 12


def _set(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        for key in keys[:-1]:
            state = state[key]
        state[keys[-1]] = value

    return change


LAYER = ("plan", "layers", "b")  # weight (12, 12, 3, 3) in 2 groups, block 4x1
FORGED = {
    "no state": (lambda s: s.clear(), "none of ClickTrain"),
    "more": (_set("more", value=1), "none of ClickTrain"),
    "negative": (_set("done", value=-1), "steps don't fit"),
    "too many": (_set("done", value=10**400), "steps don't fit"),
    "too many to write": (_set("done", value=10**5000), "steps don't fit"),
    "many lines": (_set("done", value={"a": torch.zeros(9, 9)}), r"^[^\n]*steps don't fit$"),
    "no number": (_set("done", value=True), "steps don't fit"),
    "no plan": (_set("plan", value=None), "steps don't fit"),
    "other run": (_set("cut_step", value=4), "other total_steps"),
    "step of a kind": (_set("cut_step", value=torch.zeros(2)), "other total_steps"),
    "scores": (_set("scores", value={"a": torch.zeros(1)}), "other layers"),
    "plan of a kind": (_set("plan", value=[1]), "two parts"),
    "layers": (lambda s: s["plan"]["layers"].pop("b"), "other layers"),
    "layer": (_set(*LAYER, value=3), "parts of a layer"),
    "layer's parts": (lambda s: s["plan"]["layers"]["b"].pop("row"), "parts of a layer"),
    "pool": (_set("plan", "pool", value=7), "no list"),
    "pattern": (_set("plan", "pool", value=[[0, 1, 2, 9]]), "ascending positions"),
    "descending": (_set("plan", "pool", value=[[3, 2, 1, 0]]), "ascending positions"),
    "short pattern": (_set("plan", "pool", value=[[0, 1, 2]]), "ascending positions"),
    "pattern twice": (_set("plan", "pool", value=[[0, 1, 2, 3]] * 2), "twice"),
    "empty pool": (_set("plan", "pool", value=[]), "not in the pool"),
    "other pool": (_set("plan", "pool", value=[[0, 1, 2, 3]]), "not in the pool"),
    "row type": (_set(*LAYER, "row", value=torch.zeros(12)), "row of b is no int64"),
    "row length": (_set(*LAYER, "row", value=torch.zeros(9, dtype=torch.int64)), "row of b is no int64"),
    "row sparse": (_set(*LAYER, "row", value=torch.zeros(12, dtype=torch.int64).to_sparse()), "row of b is no int64"),
    "row out of range": (_set(*LAYER, "row", value=torch.full((12,), 10**12)), "no valid rows"),
    "negative row": (_set(*LAYER, "row", value=torch.arange(-1, 11)), "no valid rows"),
    "unused row": (_set(*LAYER, "row", value=torch.tensor([0] * 3 + [1] * 3 + [2] * 3 + [4] * 3)), "no valid rows"),
    "large block": (_set(*LAYER, "row", value=torch.zeros(12, dtype=torch.int64)), "no valid rows"),
    "column": (_set(*LAYER, "column", value=torch.zeros(12, dtype=torch.int64)), "no valid columns"),
    "crossing": (_set(*LAYER, "row", value=torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3])), "crosses a group"),
    "patterns": (_set(*LAYER, "patterns", value=torch.ones(1, dtype=torch.bool)), "patterns of b"),
    "whole kernels": (lambda s: s["plan"]["layers"]["b"]["patterns"].fill_(True), "not in the pool"),
    "unpatterned": (_set(*LAYER, "patterned", value=False), "should have none"),
    "patterned what": (_set(*LAYER, "patterned", value=2), "whether it has patterns"),
    "patterned 1x1": (_set("plan", "layers", "c", "patterned", value=True), "no 3x3 kernels"),
    "kept": (_set(*LAYER, "kept", value=torch.ones(3, 3)), "kept of b"),
    "kept of positions": (_set(*LAYER, "kept", value=torch.ones(4, 12, 9, dtype=torch.bool)), "kept of b"),
    "nothing kept": (lambda s: s["plan"]["layers"]["b"]["kept"].fill_(False), "keeps nothing"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_state_is_refused_and_changes_nothing(case: str) -> None:
    forge, message = FORGED[case]
    pruner = ClickTrain(small(), Recipe(compression=4), STEPS)
    state, before = pruner.state_dict(), pruner.summary()
    forge(state)
    with pytest.raises(StateError, match=message) as caught:
        pruner.load_state_dict(state)
    assert "\n" not in str(caught.value)
    assert pruner.summary() == before


def test_a_forged_importance_is_refused() -> None:
    recipe = Recipe(compression=2, importance="taylor", importance_batches=3, choose_at=0.2, cut_at=0.8)
    state = ClickTrain(small(), recipe, STEPS).state_dict()
    state["scores"]["a"] = torch.zeros(1)
    with pytest.raises(StateError, match="importance of a has another shape"):
        ClickTrain(small(), recipe, STEPS).load_state_dict(state)
