import torch
from hypothesis import given
from hypothesis import strategies as st

from cct.passes.module.tiling import Blocks, adjacent_blocks


@given(st.integers(1, 9), st.integers(1, 7), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**16))
def test_gather_sums_what_spread_gives_back(outs: int, ins: int, height: int, width: int, seed: int) -> None:
    order = torch.randperm(outs, generator=torch.Generator().manual_seed(seed))
    blocks = Blocks(adjacent_blocks(outs, height)[order], adjacent_blocks(ins, width))
    values = torch.rand(blocks.rows, blocks.columns, 9, generator=torch.Generator().manual_seed(seed))
    spread = blocks.spread(values)
    assert spread.shape == (outs, ins, 9)
    torch.testing.assert_close(blocks.gather(spread), values * blocks.kernels()[:, :, None])


def test_last_block_is_smaller() -> None:
    blocks = Blocks(adjacent_blocks(6, 4), adjacent_blocks(3, 2))
    assert blocks.kernels().tolist() == [[8, 4], [4, 2]]
