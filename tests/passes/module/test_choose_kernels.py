import torch

from cct.passes.module.choose_kernels import choose_kernels

SIZES = {"a": torch.tensor([[[4], [4], [4]]]), "b": torch.tensor([[[16], [4]]])}
RANKS = {"a": torch.tensor([[[1.0], [0.75], [0.5]]]), "b": torch.tensor([[[0.6], [0.1]]])}


def kept(ranks: dict[str, torch.Tensor], budget: int, floor: float) -> list[list[bool]]:
    return [mask.flatten().tolist() for mask in choose_kernels(ranks, SIZES, budget, floor).values()]


def test_one_ranking_over_all_layers() -> None:
    assert kept(RANKS, 24, 0) == [[True, True, False], [True, False]]


def test_the_last_block_stays_if_that_is_nearer_to_the_budget() -> None:
    assert kept(RANKS, 15, 0)[1] == [True, False]  # which every layer keeps in any case
    assert kept(RANKS, 25, 0)[0] == [True, True, False]
    assert kept(RANKS, 27, 0)[0] == [True, True, True]


def test_the_floor_of_a_layer_stands_before_higher_ranks() -> None:
    last = {"a": torch.tensor([[[1.0], [0.9], [0.8]]]), "b": torch.tensor([[[0.2], [0.1]]])}
    assert kept(last, 20, 0) == [[True, False, False], [True, False]]
    assert kept(last, 28, 1)[1] == [True, False]
    assert sum(kept(last, 28, 1)[0]) == 3
