import torch

from cct.passes.module.choose_pool import ALL_PATTERNS, frequent_pool, greedy_pool, pattern_matrix

LEFT, RIGHT, CORNER = (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 6, 8)


def _kernels(*parts: tuple[tuple[int, ...], int]) -> torch.Tensor:
    return torch.cat([pattern_matrix([pattern] * count) + 0.01 for pattern, count in parts])


def test_there_are_126_patterns_of_4_in_9() -> None:
    assert len(set(ALL_PATTERNS)) == 126
    assert pattern_matrix(ALL_PATTERNS).sum(1).unique().tolist() == [4]


def test_frequent_counts_each_kernels_best_pattern() -> None:
    layers = [_kernels((LEFT, 5), (CORNER, 1)), _kernels((RIGHT, 3))]
    assert frequent_pool(layers, 2) == (LEFT, RIGHT)
    assert frequent_pool(layers, 3) == (LEFT, CORNER, RIGHT)


def test_greedy_takes_what_keeps_most() -> None:
    # Two overlapping patterns are common, one apart is rarer: a second pattern serves the rare one better.
    layer = _kernels((LEFT, 6), ((0, 1, 3, 5), 3), (CORNER, 3))
    assert greedy_pool([layer], 1) == (LEFT,)
    assert greedy_pool([layer], 2) == (LEFT, CORNER)


def test_greedy_weighs_layers_alike() -> None:
    loud, quiet = _kernels((LEFT, 4)) * 1000, _kernels((CORNER, 5))
    assert greedy_pool([loud, quiet], 1) == (CORNER,)


def test_whole_pool() -> None:
    assert greedy_pool([torch.rand(3, 9)], 126) == ALL_PATTERNS
    assert sorted(frequent_pool([torch.rand(3, 9)], 126)) == sorted(ALL_PATTERNS)
