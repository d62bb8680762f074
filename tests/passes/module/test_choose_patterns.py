import torch
from hypothesis import given
from hypothesis import strategies as st

from cct.passes.module.choose_patterns import choose_patterns
from cct.passes.module.choose_pool import ALL_PATTERNS, pattern_matrix


@given(st.integers(0, 2**16), st.integers(1, 126))
def test_no_pattern_of_the_pool_keeps_more(seed: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(3, 5, 9, generator=generator)
    pool = pattern_matrix(ALL_PATTERNS)[torch.randperm(126, generator=generator)[:size]]
    chosen = choose_patterns(scores, pool)
    best = torch.stack([(scores * pattern).sum(2) for pattern in pool]).amax(0)
    torch.testing.assert_close((scores * chosen).sum(2), best)
    assert all(row.tolist() in pool.tolist() for row in chosen.flatten(0, 1))
