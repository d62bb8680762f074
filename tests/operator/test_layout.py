from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cct.operator.layout import find_layout
from cct.operator.packed import pack


def pruned(rng, out_channels, in_channels, block, keep=0.4, entries=4):
    """A weight pruned by hand in blocks, its channels shuffled."""
    bo, bi = block
    shape = (-(-out_channels // bo), -(-in_channels // bi))
    taps = np.array([rng.permutation(9) < entries for _ in range(shape[0] * shape[1])]).reshape(*shape, 9)
    taps &= rng.random(shape)[..., None] < keep
    mask = taps.repeat(bo, 0).repeat(bi, 1)[:out_channels, :in_channels]
    mask = mask[rng.permutation(out_channels)][:, rng.permutation(in_channels)]
    return (rng.standard_normal(mask.shape) * mask).astype(np.float32).reshape(out_channels, in_channels, 3, 3)


@pytest.mark.parametrize("block", [(1, 1), (2, 1), (4, 1), (8, 1), (16, 4), (4, 2), (64, 8)])
def test_the_block_of_the_pruning_is_found(block):
    weight = pruned(np.random.default_rng(0), 128, 64, block)
    layout = find_layout(weight)
    assert (layout.block, layout.entries) == (block, 4)


@pytest.mark.parametrize("out_channels", [10, 37, 61])
def test_a_last_smaller_block_is_padded(out_channels):
    layout = find_layout(pruned(np.random.default_rng(1), out_channels, 24, (4, 1)))
    assert layout.block == (4, 1)
    assert (layout.order == -1).sum() == -out_channels % 4


def test_a_few_chance_zeros_do_not_undo_a_block():
    rng = np.random.default_rng(2)
    weight = pruned(rng, 64, 64, (4, 1))
    kept = np.flatnonzero(weight)
    weight.reshape(-1)[rng.choice(kept, len(kept) // 500, replace=False)] = 0
    assert find_layout(weight).block == (4, 1)


def test_dead_channels_do_not_undo_a_block():
    weight = pruned(np.random.default_rng(3), 64, 64, (4, 1))
    weight[[3, 17, 40]] = 0
    assert find_layout(weight).block == (4, 1)


def test_zeros_without_patterns_take_the_fewest_bytes():
    rng = np.random.default_rng(4)
    weight = (rng.standard_normal((32, 16, 3, 3)) * (rng.random((32, 16, 3, 3)) < 0.1)).astype(np.float32)
    layout = find_layout(weight)
    assert layout.block == (1, 1)
    sizes = {entries: pack(weight, replace(layout, entries=entries)).nbytes for entries in range(1, 4)}
    assert layout.entries == min(sizes, key=sizes.__getitem__)


def test_large_kernels_keep_all_taps_or_none():
    rng = np.random.default_rng(5)
    weight = (rng.standard_normal((8, 8, 5, 5)) * (rng.random((8, 8, 1, 1)) < 0.5)).astype(np.float32)
    assert find_layout(weight).entries == 25


def test_groups_keep_to_themselves():
    rng = np.random.default_rng(6)
    weight = np.concatenate([pruned(rng, 16, 8, (4, 1)), pruned(rng, 16, 8, (4, 1))])
    layout = find_layout(weight, group=2)
    assert layout.block == (4, 1)
    assert set(layout.order[:16]) == set(range(16))
    assert layout.in_order.tolist() == list(range(16))
