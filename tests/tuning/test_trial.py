from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cct.errors import RecipeError
from cct.models import MODELS
from cct.recipe.recipe import Recipe
from cct.tuning.trial import Trials, check_measured

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("recipe", [Recipe(portable=True), Recipe(compression=1), Recipe().for_target("cuda")])
def test_a_recipe_that_packs_nothing_for_this_cpu_has_nothing_to_measure(recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match=r"^--block auto measures .*: leave one of them out$"):
        check_measured("--block auto", recipe)


def test_trials_leave_the_network_as_it_is(tmp_path: Path) -> None:
    module = MODELS["digits_net"]().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    trials = Trials(module, torch.zeros(1, 1, 32, 32), tmp_path)
    first, second = (
        trials.prune(Recipe(include=("stem",), exclude=("block2.*",))),
        trials.prune(Recipe(compression=1.2)),
    )
    assert first.path != second.path
    assert [layer.name for layer in first.layers] == ["stem", "block1.conv1", "block1.conv2"]
    assert set(first.not_packed) == {"block2.conv1", "block2.conv2"}
    assert {layer.name for layer in second.layers} < set(second.not_packed)
    ratios = trials.ratios(trials.dense(), [first.path, second.path])
    assert len(ratios) == 2
    assert min(ratios) > 0
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
