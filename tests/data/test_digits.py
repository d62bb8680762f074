from typing import Any

import pytest
import torch

from cct.data.load_data import load_data


def test_digits() -> None:
    data = load_data("digits")
    assert (data.channels, data.size, data.augmented) == (1, (32, 32), False)
    assert data.classes == tuple("0123456789")
    assert (len(data.train), len(data.val)) == (1201, 596)
    assert data.val.labels.bincount().min() >= 58  # every class, in proportion
    assert data.example().shape == (1, 1, 32, 32)
    every = torch.cat([images for images, _ in data.batches("train", 200)])
    assert every.mean().abs() < 1e-3
    assert every.std() == pytest.approx(1, abs=1e-3)


def test_digits_are_shuffled_but_not_changed() -> None:
    data = load_data("digits")
    images, labels = next(iter(data.batches("train", 64, torch.Generator().manual_seed(0))))
    known = {tuple(row) for row in torch.stack([data.train[i][0] for i in range(1201)]).flatten(1)[:, ::37].tolist()}
    assert all(tuple(row) in known for row in images.flatten(1)[:, ::37].tolist())
    assert not torch.equal(labels, data.train.labels[:64])


def test_a_model_of_three_channels() -> None:
    data, grey = load_data("digits", channels=3), load_data("digits")
    assert (data.channels, data.mean) == (3, grey.mean * 3)
    assert torch.equal(data.example(), grey.example().expand(-1, 3, -1, -1))


def test_a_model_of_two_channels(refused: Any) -> None:
    assert "the images have 1 channels, the model takes 2" in refused("digits", channels=2)


def test_larger_than_memory(refused: Any) -> None:
    assert "digits of 32x4096 pixels: give a --size of up to 256" in refused("digits", size=(32, 4096))
