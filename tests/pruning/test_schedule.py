import re

import pytest

from cct.errors import RecipeError
from cct.passes.module.allocate import ALLOCATIONS
from cct.passes.module.choose_pool import POOLS
from cct.passes.module.importance import IMPORTANCES
from cct.pruning.schedule import EASINGS, Lasso, Ramp, make_schedule
from cct.recipe.recipe import Recipe


@pytest.mark.parametrize(
    ("knob", "table"),
    [("importance", IMPORTANCES), ("connectivity", ALLOCATIONS), ("easing", EASINGS), ("pool", POOLS)],
)
def test_what_a_recipe_may_name_is_what_there_is(knob: str, table: dict[str, object]) -> None:
    values: dict[str, str] = {knob: "unheard of"}
    with pytest.raises(RecipeError, match=f"^{knob} is ") as caught:
        Recipe.from_values(values)
    choices = re.split(r": choose one of |: it must be ", str(caught.value))[1].removesuffix(", or a list of patterns")
    assert choices.split(", ") == list(table)


def test_the_ramp_is_a_falling_cubic_in_64_stages() -> None:
    ramp = Ramp(100, 100 + 640)
    stages = [step for step in range(100, 1000) if ramp.chooses_connectivity(step)]
    assert stages == list(range(100, 741, 10))
    surplus = [ramp.surplus(step) for step in stages]
    assert surplus == sorted(surplus, reverse=True)
    assert (surplus[0], surplus[32], surplus[64]) == (1, 0.125, 0)
    assert all(map(ramp.cuts, stages))


@pytest.mark.parametrize(("choose_step", "cut_step"), [(0, 0), (3, 3), (0, 7), (5, 100), (1, 130)])
def test_the_ramp_ends_at_the_cut_whatever_its_length(choose_step: int, cut_step: int) -> None:
    ramp = Ramp(choose_step, cut_step)
    stages = [step for step in range(choose_step, cut_step + 100) if ramp.chooses_connectivity(step)]
    assert (stages[0], stages[-1]) == (choose_step, cut_step)
    assert ramp.surplus(cut_step) == 0


def test_lasso_cuts_once() -> None:
    lasso = Lasso(2, 5)
    assert [lasso.cuts(step) for step in (2, 4, 5, 6)] == [False, False, True, True]
    assert not any(map(lasso.chooses_connectivity, range(10)))
    assert lasso.surplus(2) == 0


def test_steps_follow_from_shares_and_from_what_importance_observes() -> None:
    recipe = Recipe(choose_at=0.25, cut_at=0.5, easing="lasso")
    schedule = make_schedule(recipe, 40, 0)
    assert (type(schedule), schedule.choose_step, schedule.cut_step) == (Lasso, 10, 20)
    late = make_schedule(recipe, 40, 15)
    assert (late.choose_step, late.cut_step) == (25, 25)
    with pytest.raises(RecipeError, match=r'^importance "magnitude" needs 41 training steps, the run has 40: '):
        make_schedule(recipe, 40, 31)
