from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cct.errors import OperatorError
from cct.operator.layout import Layout, find_layout
from cct.operator.packed import check, pack, unpack
from tests.support.cases import draw_packed


@given(
    out_channels=st.integers(1, 20),
    in_channels=st.integers(1, 9),
    group=st.integers(1, 3),
    kernel=st.sampled_from([(3, 3), (1, 1), (5, 5), (1, 3)]),
    block=st.sampled_from([(4, 1), (1, 1), (8, 2), (3, 3)]),
    keep=st.sampled_from([0.0, 0.3, 1.0]),
    entries=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_pack_and_unpack_are_inverse(out_channels, in_channels, group, kernel, block, keep, entries, seed):
    rng = np.random.default_rng(seed)
    drawn = draw_packed(
        rng,
        out_channels=out_channels * group,
        in_channels=in_channels * group,
        group=group,
        kernel=kernel,
        block=block,
        keep=keep,
        entries=min(entries, kernel[0] * kernel[1]),
    )
    dense = unpack(drawn)
    again = pack(dense, find_layout(dense, group), group)
    check(again)
    assert np.array_equal(unpack(again), dense)


def test_weights_of_int8_stay_int8():
    weight = np.zeros((4, 2, 3, 3), np.int8)
    weight[:, 1, 0, 0], weight[:, 1, 2, 2] = [1, 2, 3, -128], 127
    packed = pack(weight, find_layout(weight, weight_bytes=1))
    check(packed)
    assert packed.W.dtype == unpack(packed).dtype == np.int8
    assert np.array_equal(unpack(packed), weight)


def test_unpack_by_hand():
    weight = np.zeros((4, 2, 3, 3), np.float32)
    weight[:, 1, 0, 0], weight[:, 1, 2, 2] = [1, 2, 3, 4], [5, 6, 7, 8]
    packed = pack(weight, Layout((4, 1), np.arange(4, dtype=np.int32), np.arange(2, dtype=np.int32), 2))
    assert packed.W.tolist() == [[[1, 2, 3, 4], [5, 6, 7, 8]]]
    assert (packed.filters.tolist(), packed.channels.tolist(), packed.pool.tolist()) == ([0], [1], [[0, 8]])


def test_nothing_kept_is_valid():
    packed = pack(np.zeros((8, 3, 3, 3), np.float32), find_layout(np.zeros((8, 3, 3, 3), np.float32)))
    check(packed)
    assert len(packed.W) == 0


def test_a_kernel_may_be_the_sum_of_patterns():
    weight = np.zeros((1, 1, 3, 3), np.float32)
    weight.reshape(-1)[[0, 2, 4, 6, 8]] = 1
    packed = pack(weight, Layout((1, 1), np.arange(1, dtype=np.int32), np.arange(1, dtype=np.int32), 3))
    assert (packed.filters.tolist(), packed.patterns.tolist(), len(packed.pool)) == ([0, 0], [0, 1], 2)
    assert np.array_equal(unpack(packed), weight)


def test_a_kernel_that_does_not_fit_its_entries_is_refused():
    layout = Layout((1, 1), np.arange(1, dtype=np.int32), np.arange(1, dtype=np.int32), 4)
    with pytest.raises(OperatorError, match="9 of 9 weights does not split into 4"):
        pack(np.ones((1, 1, 3, 3), np.float32), layout)


def _set(array, index, value):
    copy = array.copy()
    copy[index] = value
    return copy


FAULTS = {
    "group": (lambda p: {"group": 3}, "do not divide into 3 groups"),
    "block": (lambda p: {"block": (0, 1)}, "must be >= 1"),
    "pool range": (lambda p: {"pool": _set(p.pool, (0, -1), 9)}, r"within 0\.\.8"),
    "pool order": (lambda p: {"pool": p.pool[:, ::-1]}, "strictly ascending"),
    "pool size": (lambda p: {"pool": np.zeros((257, 4), np.int64)}, "1 to 256 patterns"),
    "order length": (lambda p: {"order": p.order[:-1]}, "places, must be"),
    "order twice": (lambda p: {"order": _set(p.order, 0, p.order[1])}, "order: group 0 must hold each"),
    "in_order range": (lambda p: {"in_order": _set(p.in_order, 0, 99)}, "in_order: group 0 must hold each"),
    "W shape": (lambda p: {"W": p.W[:, :, :3]}, r"W \("),
    "channels length": (lambda p: {"channels": p.channels[:-1]}, "channels"),
    "filters range": (lambda p: {"filters": _set(p.filters, -1, 2)}, r"filters: values 0\.\.2"),
    "filters negative": (lambda p: {"filters": _set(p.filters, 0, -1)}, r"filters: values -1"),
    "channels range": (lambda p: {"channels": _set(p.channels, -1, 6)}, r"channels: values 0\.\.6"),
    "patterns range": (lambda p: {"patterns": _set(p.patterns, -1, 8)}, r"patterns: values"),
    "ascending": (lambda p: {"filters": p.filters[::-1]}, "strictly ascending"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_arrays_are_refused(fault):
    packed = draw_packed(np.random.default_rng(0), out_channels=8, in_channels=6, keep=1.0)
    check(packed)
    change, message = FAULTS[fault]
    with pytest.raises(OperatorError, match=message):
        check(replace(packed, **change(packed)))


def test_weights_on_padding_are_refused():
    packed = draw_packed(np.random.default_rng(0), out_channels=7, in_channels=6, keep=1.0)
    at = np.flatnonzero((packed.order.reshape(-1, 4)[packed.filters] < 0).any(1))[0]
    place = np.flatnonzero(packed.order.reshape(-1, 4)[packed.filters[at]] < 0)[0]
    with pytest.raises(OperatorError, match="zero on padding"):
        check(replace(packed, W=_set(packed.W, (at, 0, place), 1.0)))


def test_overlapping_patterns_are_refused():
    packed = draw_packed(np.random.default_rng(0), out_channels=4, in_channels=1, keep=1.0, patterns=1)
    two = {n: np.repeat(getattr(packed, n)[:1], 2, axis=0) for n in ("W", "filters", "channels")}
    pool = np.array([[0, 1, 2, 3], [3, 4, 5, 6]], np.int64)
    with pytest.raises(OperatorError, match="overlap"):
        check(replace(packed, **two, patterns=np.array([0, 1], np.uint8), pool=pool))


def test_a_forged_kernel_shape_takes_no_memory():
    packed = draw_packed(np.random.default_rng(0), out_channels=4, in_channels=2, keep=1.0)
    check(replace(packed, kernel_shape=(65535, 65535)))  # 64 GiB if it counted positions
