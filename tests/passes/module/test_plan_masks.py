import pytest
import torch

from cct.passes.module.choose_pool import ALL_PATTERNS, pattern_matrix
from cct.passes.module.plan_masks import plan_masks
from cct.recipe.recipe import Recipe

GROUPS = {"a": 1, "b": 2, "c": 1}


def scores(seed: int = 0) -> dict[str, torch.Tensor]:
    """3x3, grouped 3x3, and 1x1 convolutions."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (8, 6, 9), "b": (12, 4, 9), "c": (10, 12, 1)}
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


def test_patterns_only_where_they_fit() -> None:
    given = scores()
    plan = plan_masks(given, GROUPS, Recipe(compression=3, pool_size=8))
    patterns = plan.patterns(given)
    assert plan.patterned == {"a", "b"}
    assert len(plan.pool) == 8
    assert {tuple(row.nonzero().flatten().tolist()) for row in patterns["a"].flatten(0, 1)} <= set(plan.pool)
    assert patterns["c"].min() == 1
    assert plan.size(patterns) == (8 * 6 + 12 * 4) * 4 + 10 * 12


def test_below_2_25_whole_kernels_go() -> None:
    given = scores()
    recipe = Recipe(compression=1.5)
    plan = plan_masks(given, GROUPS, recipe)
    assert (plan.pool, plan.patterned) == ((), frozenset())
    patterns = plan.patterns(given)
    budget = round(plan.size(patterns) / 1.5)
    masks = plan.masks(patterns, plan.connectivity(given, patterns, budget, recipe))
    assert set(masks["a"].sum(2).unique().tolist()) <= {0, 9}
    assert sum(int(mask.sum()) for mask in masks.values()) == pytest.approx(budget, abs=36)


def test_blocks_share_masks_and_stay_in_their_group() -> None:
    given = scores()
    recipe = Recipe(compression=4, block=(4, 2))
    plan = plan_masks(given, GROUPS, recipe)
    patterns = plan.patterns(given)
    masks = plan.masks(patterns, plan.connectivity(given, patterns, 150, recipe))
    for name, blocks in plan.blocks.items():
        for row in range(blocks.rows):
            members = (blocks.row == row).nonzero().flatten()
            assert len(masks[name][members].unique(dim=0)) == 1
            assert len((members // (len(given[name]) // GROUPS[name])).unique()) == 1
        for column in range(blocks.columns):
            assert len(masks[name][:, blocks.column == column].unique(dim=1)[0]) == 1


@pytest.mark.parametrize("grouping", ["swap", "none"])
@pytest.mark.parametrize("entries", [4, 1])
def test_single_layers_have_blocks_of_their_own(grouping: str, entries: int) -> None:
    given = scores()
    recipe = Recipe(compression=4, block=(4, 1), blocks=("a=2x3", "[ab]=3x1"), grouping=grouping, entries=entries)
    plan = plan_masks(given, GROUPS, recipe)
    sizes = {name: (blocks.row.bincount(), blocks.column.bincount()) for name, blocks in plan.blocks.items()}
    assert {name: (int(rows.max()), int(columns.max())) for name, (rows, columns) in sizes.items()} == {
        "a": (2, 3),
        "b": (3, 1),
        "c": (4, 1),
    }
    patterns = plan.patterns(given)
    masks = plan.masks(patterns, plan.connectivity(given, patterns, 150, recipe))
    for name, blocks in plan.blocks.items():
        for row in range(blocks.rows):
            assert len(masks[name][blocks.row == row].unique(dim=0)) == 1


def test_inputs_that_are_wanted_alike_share_a_column() -> None:
    # four kinds of input channels, shuffled; every output wants the same of a kind
    kinds = torch.rand(8, 4, 9, generator=torch.Generator().manual_seed(0)) ** 4
    kind_of = torch.arange(4).repeat_interleave(4)[torch.randperm(16, generator=torch.Generator().manual_seed(1))]
    plan = plan_masks({"a": kinds[:, kind_of]}, {"a": 1}, Recipe(compression=4, block=(4, 4)))
    column = plan.blocks["a"].column
    assert sorted(torch.bincount(column).tolist()) == [4, 4, 4, 4]
    for which in range(4):
        assert len(kind_of[column == which].unique()) == 1


def test_loud_layers_keep_more_in_one_ranking_alone() -> None:
    given = scores()
    given["a"] *= 1000

    def share_of_a(rule: str) -> float:
        recipe = Recipe(compression=5, block=(1, 1), connectivity=rule, floor=0)
        plan = plan_masks(given, GROUPS, recipe)
        patterns = plan.patterns(given)
        kept = plan.connectivity(given, patterns, round(plan.size(patterns) / 2), recipe)
        return float(kept["a"].float().mean())

    assert share_of_a("global") == 1
    assert share_of_a("uniform") == pytest.approx(0.5, abs=0.02)


def test_all_patterns_by_default_and_the_users_own_if_given() -> None:
    assert plan_masks(scores(), GROUPS, Recipe()).pool == ALL_PATTERNS
    own = ((0, 1, 3, 4), (4, 5, 7, 8))
    assert plan_masks(scores(), GROUPS, Recipe(pool=own)).pool == own


@pytest.mark.parametrize("pool", [((0, 1, 3, 4), (1, 2, 4, 5), (3, 4, 6, 7), (4, 5, 7, 8)), "greedy"])
def test_channels_are_grouped_by_what_the_pool_can_keep(pool: str | tuple[tuple[int, ...], ...]) -> None:
    given = {"a": torch.randn(64, 32, 9, generator=torch.Generator().manual_seed(0)).square()}
    small, whole = Recipe(block=(4, 1), pool=pool, pool_size=4), Recipe(block=(4, 1))

    def kept(grouped_by: Recipe) -> float:
        of_blocks = plan_masks(given, {"a": 1}, grouped_by).blocks["a"].gather(given["a"])
        matrix = pattern_matrix(plan_masks(given, {"a": 1}, small).pool)
        return float((of_blocks @ matrix.T).amax(2).flatten().topk(16 * 18).values.sum())

    assert kept(small) > 1.005 * kept(whole)
