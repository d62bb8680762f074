import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cct.passes.module.choose_pool import ALL_PATTERNS, ENTRIES, pattern_matrix
from cct.passes.module.group_channels import _kept, group_channels
from cct.passes.module.tiling import Blocks, adjacent_blocks


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 11), st.integers(1, 4), st.integers(0, 2**16))
def test_every_group_is_tiled_and_no_block_leaves_it(groups: int, per_group: int, block: int, seed: int) -> None:
    scores = torch.rand(groups * per_group, 4, 9, generator=torch.Generator().manual_seed(seed))
    rows = group_channels(scores, block, groups, 4, 0.5, seed)
    for group, part in enumerate(rows.view(groups, per_group)):
        wanted = adjacent_blocks(per_group, block) + group * -(-per_group // block)
        assert sorted(part.tolist()) == sorted(wanted.tolist())


def test_finds_channels_that_are_alike() -> None:
    # Four kinds of channels, shuffled: alike ones belong together.
    kinds = torch.rand(4, 16, 9, generator=torch.Generator().manual_seed(0)) ** 4
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    kind_of = torch.arange(4).repeat_interleave(4)[order]
    rows = group_channels(kinds[kind_of], 4, 1, 4, 0.5, 0)
    for row in range(4):
        assert len(kind_of[rows == row].unique()) == 1


def test_keeps_more_than_neighbours_do() -> None:
    scores = torch.randn(32, 16, 9, generator=torch.Generator().manual_seed(0)).square()
    pool = pattern_matrix(ALL_PATTERNS)

    def kept(rows: torch.Tensor) -> float:
        summed = Blocks(rows, torch.arange(16)).gather(scores)
        return float((summed @ pool.T).amax(2).topk(8).values.sum())

    found = kept(group_channels(scores, 4, 1, 4, 0.5, 0))
    assert found > 1.03 * kept(adjacent_blocks(32, 4))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**16))
def test_what_is_kept_is_what_the_best_patterns_keep(columns: int, count: int, seed: int) -> None:
    scores = torch.rand(2, 3, columns, 9, generator=torch.Generator().manual_seed(seed))
    count = min(count, columns)
    by_pattern = scores @ pattern_matrix(ALL_PATTERNS).T
    wanted = by_pattern.amax(-1).sort(descending=True).values[..., :count].sum(-1)
    torch.testing.assert_close(_kept(scores.movedim(-1, 0), ENTRIES, count), wanted)


@given(st.integers(1, 9), st.data())
def test_what_is_kept_of_any_number_of_positions(positions: int, data: st.DataObject) -> None:
    entries = data.draw(st.integers(1, positions))
    scores = torch.rand(positions, 5, 7, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 2**16))))
    wanted = scores.sort(dim=0, descending=True).values[:entries].sum(0).sort(dim=-1, descending=True).values[..., :3]
    torch.testing.assert_close(_kept(scores, entries, 3), wanted.sum(-1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_of_any_type_and_of_what_is_trained(dtype: torch.dtype) -> None:
    scores = torch.randn(16, 8, 9, generator=torch.Generator().manual_seed(0)).square().to(dtype)
    wanted = group_channels(scores.float(), 4, 1, 4, 0.5, 0)
    assert group_channels(scores.requires_grad_(), 4, 1, 4, 0.5, 0).equal(wanted)
