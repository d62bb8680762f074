import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from cct.passes.module.allocate import ALLOCATIONS, allocate_global, allocate_uniform
from cct.recipe.recipe import Recipe


def _layers(seed: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (4, 6, 1), "b": (8, 3, 9), "c": (2, 2, 1)}
    scores = {n: torch.rand(shape, generator=generator) for n, shape in shapes.items()}
    sizes = {n: torch.randint(1, 5, shape, generator=generator) * 4 for n, shape in shapes.items()}
    return scores, sizes


@example(28, 0.21875, 1.0)
@given(st.integers(0, 2**16), st.floats(0.2, 1.0), st.floats(0, 1, width=32, allow_subnormal=False))
def test_comes_within_a_block_of_the_budget_and_no_layer_dies(seed: int, share: float, floor: float) -> None:
    scores, sizes = _layers(seed)
    total = sum(int(size.sum()) for size in sizes.values())
    kept = allocate_global(scores, sizes, round(share * total), Recipe(floor=floor))
    weights = sum(int((sizes[n] * kept[n]).sum()) for n in sizes)
    rounded_up = 16 * len(sizes) if floor > 0.5 else 16  # the floors alone may come to more than the budget
    assert -16 <= weights - share * total <= rounded_up
    for name, size in sizes.items():
        assert kept[name].any()
        assert int((size * kept[name]).sum()) >= floor * share * int(size.sum()) - 16


@given(st.integers(0, 2**16), st.floats(0.2, 1.0))
def test_uniform_keeps_the_same_share_of_each_layer(seed: int, share: float) -> None:
    scores, sizes = _layers(seed)
    total = sum(int(size.sum()) for size in sizes.values())
    kept = allocate_uniform(scores, sizes, round(share * total), Recipe())
    for name, size in sizes.items():
        assert abs(int((size * kept[name]).sum()) - share * int(size.sum())) <= 33
    assert abs(sum(int((size * kept[name]).sum()) for name, size in sizes.items()) - share * total) <= 16


def test_what_stays_matters_more_per_weight() -> None:
    scores = {"a": torch.tensor([[[4.0], [3.0], [2.0]]]), "b": torch.tensor([[[9.0], [1.0]]])}
    sizes = {"a": torch.tensor([[[4], [4], [4]]]), "b": torch.tensor([[[16], [4]]])}
    kept = allocate_global(scores, sizes, 24, Recipe(floor=0))
    assert kept["a"].flatten().tolist() == [True, True, False]
    assert kept["b"].flatten().tolist() == [True, False]


@pytest.mark.parametrize("rule", ALLOCATIONS)
@example(28)
@given(st.integers(0, 2**16))
def test_a_ramp_never_lets_back_in(rule: str, seed: int) -> None:
    scores, sizes = _layers(seed)
    generator = torch.Generator().manual_seed(seed)
    total = sum(int(size.sum()) for size in sizes.values())
    before = {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}
    for share in (0.9, 0.7, 0.5, 0.4, 0.3):  # what is left trains on
        scores = {n: s * before[n] * (0.8 + 0.4 * torch.rand(s.shape, generator=generator)) for n, s in scores.items()}
        kept = ALLOCATIONS[rule](scores, sizes, round(share * total), Recipe(floor=0.1))
        assert all((before[name] | ~kept[name]).all() for name in scores)
        before = kept
