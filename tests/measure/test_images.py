from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cct.data.load_data import load_data
from cct.measure.images import batches_at, image_at, parity_count, spread_images


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200), st.integers(1, 250))
def test_every_class_is_there(labels, count):
    chosen = spread_images(np.array(labels), count, seed=count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(len(labels), count)
    assert len({labels[i] for i in chosen}) == min(len(set(labels)), len(chosen))


@pytest.mark.parametrize("count", [64, 600])
def test_a_sorted_folder_is_looked_at_from_end_to_end(count):
    labels = np.repeat(np.arange(10), 100)
    chosen = spread_images(labels, count, 0)
    per_class = np.bincount(labels[chosen])
    assert per_class.max() - per_class.min() <= 1
    assert chosen[0] < 100 // 6
    assert chosen[-1] >= 1000 - 100 // 6 - 1
    assert count == 600 or chosen != spread_images(labels, count, 1)  # another file, other images


def test_by_default_every_class_is_there():
    many = np.arange(1000) // 2
    assert (parity_count(many, None), parity_count(many, 16), parity_count(many, "all")) == (500, 16, None)
    assert parity_count(np.zeros(100, int), None) == 64
    assert len(set(many[spread_images(many, 500, 0)])) == 500


def test_all():
    assert spread_images(np.zeros(5, int), None, 0) == [0, 1, 2, 3, 4]


def test_a_rare_class_gives_all_it_has():
    labels = np.array([0] * 90 + [1] * 3)
    assert (labels[spread_images(labels, 40, 0)] == 1).sum() == 3


def test_the_images_are_those_at_the_positions():
    digits = load_data("digits")
    chosen = list(range(0, 200, 10))
    parts = list(batches_at(digits, chosen, 13))
    assert [len(part) for part in parts] == [16, 4]
    assert np.array_equal(parts[1][3], digits.val[190][0].numpy())
    assert [len(part) for part in batches_at(digits, chosen, 4)] == [7, 7, 6]
    assert np.array_equal(image_at(digits, [190]), parts[1][3:])
