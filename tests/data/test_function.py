from pathlib import Path
from typing import Any

import pytest
import torch

from cct.data.load_data import load_data
from cct.data.wanted import IMAGENET_MEAN

HEAD = """
import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

class Few(Dataset):
    def __init__(self, image, label=lambda i: i % 3, count=6):
        self.image, self.label, self.count = image, label, count
    def __len__(self):
        return self.count
    def __getitem__(self, i):
        return self.image(i), self.label(i)

class Stream(IterableDataset):
    def __iter__(self):
        return iter([])

grey = lambda i: torch.full((1, 4, 5), i, dtype=torch.uint8)
good = Few(grey)
"""


@pytest.fixture
def returns(tmp_path: Path) -> Any:
    def write(text: str, before: str = "") -> str:
        (tmp_path / "data.py").write_text(f"{HEAD}{before}\ndef make():\n    return {text}\n")
        return f"{tmp_path / 'data.py'}:make"

    return write


def test_bytes_are_normalized(returns: Any) -> None:
    data = load_data(returns("good, good"))
    assert (data.classes, data.channels, data.size) == (("0", "1", "2"), 1, (4, 5))
    assert (data.mean, data.std, data.augmented) == ((0.5,), (0.5,), False)
    images, labels = next(iter(data.batches("val", 10)))
    assert images.shape == (6, 1, 4, 5)
    assert torch.allclose(images[:, 0, 0, 0], (torch.arange(6) / 255 - 0.5) / 0.5)
    assert labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_floats_are_normalized_unless_they_are_already(returns: Any, refused: Any) -> None:
    data = load_data(returns("[Few(lambda i: torch.full((3, 4, 4), 0.25))] * 2"))
    assert data.mean == IMAGENET_MEAN
    assert torch.allclose(data.example()[0, 0], torch.tensor((0.25 - 0.485) / 0.229))
    spec = returns("[Few(lambda i: torch.full((3, 4, 4), -2.0 - i))] * 2")
    assert "train, item 0 reaches from -2 to -2, not within 0..1: leave out Normalize" in refused(spec)
    data = load_data(spec, mean=(0, 0, 0), std=(1, 1, 1))
    assert data.val[1][0].unique().tolist() == [-3]


def test_names_and_targets_of_torchvisions_datasets(returns: Any) -> None:
    data = load_data(returns("good, good", "good.classes = ['ant', 'bee', 'cat']; good.targets = [0, 1, 2, 0, 1, 2]"))
    assert data.classes == ("ant", "bee", "cat")
    tensors = load_data(returns("[TensorDataset(torch.rand(6, 3, 4, 4), torch.arange(6))] * 2"))
    assert tensors.val.labels.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("good", "returned a Few: it must return two datasets, (train, val)"),
        ("None", "returned a NoneType"),
        ("1 / 0", "raised ZeroDivisionError: division by zero"),
        ("exit(0)", "raised SystemExit"),
        ("good, Stream()", "val is a Stream: it must be a dataset with a length and items"),
        ("good, Few(grey, count=0)", "val has no items"),
        ("good, [1, 2]", "val, item 0 is a int: it must be an image of (C, H, W)"),
        ("good, Few(lambda i: 'x')", "val, item 0 has a str: it must be"),
        ("good, Few(lambda i: torch.zeros(4, 4))", "val, item 0 has a tensor of [4, 4]: it must be"),
        ("good, Few(lambda i: torch.zeros(1, 4, 4).long())", "val, item 0 has an image of torch.int64"),
        ("good, Few(grey, lambda i: 'cat')", "val, item 0 has the label str"),
        ("good, Few(lambda i: torch.zeros(3, 4, 4))", "train and val have images of [1, 4, 5] and [3, 4, 4]"),
        ("good, Few(lambda i: torch.zeros(1, 4, 5 + i))", "val, item 1 has [1, 4, 6] torch.float32, the first is"),
        ("good, Few(lambda i: torch.full((1, 4, 5), float('nan')))", "not within 0..1"),
        ("good, Few(lambda i: [][i])", "val, item 0 raised IndexError: list index out of range"),
        ("good, Few(lambda i: exit(0))", "val, item 0 raised SystemExit: sys.exit(0)"),
        ("good, Few(grey, lambda i: i)", "val has the label 5, train has 3 classes: they count from 0"),
        ("good, Few(grey, lambda i: -1)", "val, item 0 has the label -1: give 0 to 99999"),
        ("Few(grey, lambda i: 10**12), good", "train, item 0 has the label 1000000000000: give 0 to 99999"),
        ("good, Few(grey, lambda i: 2**70)", "val, item 0 has the label 1180591620717411303424: give 0 to"),
        ("setattr(good, 'targets', [2**70] * 6) or (good, good)", "train has the label 1180591620717411303424: give"),
        ("setattr(good, 'classes', ['a\\n', 'b', 'c']) or (good, good)", r"has the class a\n: give names of one line"),
        ("Few(grey, lambda i: 0), good", "has 1 class: at least 2 are needed"),
    ],
)
def test_wrong_returns_are_explained(returns: Any, refused: Any, text: str, message: str) -> None:
    assert message in refused(returns(text))


def test_a_model_that_takes_other_images(returns: Any, refused: Any) -> None:
    spec = returns("good, good")
    assert "gives images of [1, 4, 5], the model takes [3, 4, 5]: change the function" in refused(spec, channels=3)
    assert "gives images of [1, 4, 5], the model takes [1, 8, 8]" in refused(spec, size=(8, 8))


def test_a_function_that_needs_arguments(tmp_path: Path, refused: Any) -> None:
    (tmp_path / "data.py").write_text("def make(root): pass")
    assert "takes root: missing a required argument: 'root'" in refused(f"{tmp_path / 'data.py'}:make")
