"""`package.module:function` or `./file.py:function`, which returns two datasets of torch."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cct.data.class_names import MOST_CLASSES, check_class_names
from cct.data.split import Data, Split, column
from cct.data.wanted import Wanted, check_size, is_normalized
from cct.errors import DataError
from cct.messages import first_line, printable
from cct.user_code import call, find

_FORM = "an image of (C, H, W), uint8 or float32 in 0..1, and its class as a whole number"


class DatasetImages:
    """Images that a dataset of the user's gives; each is checked.

    Args:
        dataset: gives (image, label) for a position.
        where: for messages, as "--data ./data.py:make: train".
        normalized: whether the values of float images need not be 0..1.
    """

    def __init__(self, dataset: Any, where: str, normalized: bool) -> None:
        self.dataset, self.where, self.normalized = dataset, where, normalized
        self.first, _ = self.item(0)

    def __len__(self) -> int:
        return len(self.dataset)

    def load(self, indices: Tensor) -> Tensor:
        """Return (n, C, H, W), uint8 or float32."""
        return torch.stack([self.item(index)[0] for index in indices.tolist()])

    def item(self, index: int) -> tuple[Tensor, int]:
        """One image and its label.

        Raises:
            DataError: the dataset raised, or gave something else.
        """
        where = f"{self.where}, item {index}"
        try:
            given = self.dataset[index]
        except (Exception, SystemExit) as error:  # the user's own code can raise anything
            raise DataError(f"{where} raised {type(error).__name__}: {first_line(error)}") from error
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise DataError(f"{where} is a {type(given).__name__}: it must be {_FORM}")
        image, label = given
        if not isinstance(image, Tensor) or image.ndim != 3 or not image.numel():
            what = f"a tensor of {list(image.shape)}" if isinstance(image, Tensor) else f"a {type(image).__name__}"
            raise DataError(f"{where} has {what}: it must be {_FORM}")
        if image.dtype != torch.uint8 and not image.is_floating_point():
            raise DataError(f"{where} has an image of {image.dtype}: it must be {_FORM}")
        try:
            number = operator.index(label)
        except TypeError as error:
            raise DataError(f"{where} has the label {type(label).__name__}: it must be {_FORM}") from error
        if not 0 <= number < MOST_CLASSES:
            raise DataError(f"{where} has the label {printable(number)}: give 0 to {MOST_CLASSES - 1}")
        self._check(image, where)
        return image if image.dtype == torch.uint8 else image.float(), number

    def _check(self, image: Tensor, where: str) -> None:
        first = getattr(self, "first", image)
        if image.shape != first.shape or image.is_floating_point() != first.is_floating_point():
            shapes = f"{list(image.shape)} {image.dtype}, the first is {list(first.shape)} {first.dtype}"
            raise DataError(f"{where} has {shapes}: all must be alike")
        if image.is_floating_point() and not self.normalized and not 0 <= image.min() <= image.max() <= 1:
            raise DataError(
                f"{where} reaches from {image.min():g} to {image.max():g}, not within 0..1: leave out Normalize, or "
                "give mean 0 and std 1 for each channel"
            )
        if image.is_floating_point() and not image.isfinite().all():
            raise DataError(f"{where} holds NaN or infinity")


def load_function(spec: str, wanted: Wanted) -> Data:
    """Call the function and take what it returns; its own transforms are the only augmentation.

    Raises:
        DataError: there is no such function, it raised, or returned something else.
    """
    where = f"--data {spec}"
    answer = call(find(spec, "--data", DataError), {}, where, DataError)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise DataError(f"{where} returned a {type(answer).__name__}: it must return two datasets, (train, val)")
    datasets = dict(zip(("train", "val"), answer, strict=True))
    for split, dataset in datasets.items():
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            kind = type(dataset).__name__
            raise DataError(f"{where}: {split} is a {kind}: it must be a dataset with a length and items")
        if not len(dataset):
            raise DataError(f"{where}: {split} has no items")
    normalized = wanted.mean is not None and wanted.std is not None and is_normalized(wanted.mean, wanted.std)
    sources = {name: DatasetImages(dataset, f"{where}: {name}", normalized) for name, dataset in datasets.items()}
    first = sources["train"].first
    if sources["val"].first.shape != first.shape:
        shapes = f"{list(first.shape)} and {list(sources['val'].first.shape)}"
        raise DataError(f"{where}: train and val have images of {shapes}: they must be alike")
    channels, size = first.shape[0], check_size((first.shape[1], first.shape[2]))
    if wanted.channels not in (None, channels) or wanted.size not in (None, size):
        own = [wanted.channels or channels, *(wanted.size or size)]
        raise DataError(f"{where} gives images of {list(first.shape)}, the model takes {own}: change the function")
    scale = wanted.scale(channels)
    labels = {split: _labels(source) for split, source in sources.items()}
    classes = _classes(where, datasets["train"], labels["train"])
    for split, given in labels.items():
        low, high = int(given.min()), int(given.max())
        if low < 0 or high >= len(classes):
            odd = low if low < 0 else high
            raise DataError(
                f"{where}: {split} has the label {odd}, train has {len(classes)} classes: they count from 0"
            )
    mean, std = map(column, scale)
    splits = {split: Split(sources[split], labels[split], mean, std) for split in sources}
    return Data(spec, classes, channels, size, *scale, augmented=False, train=splits["train"], val=splits["val"])


def _labels(source: DatasetImages) -> Tensor:
    """Of all items: `targets`, as torchvision's datasets have them, or else item by item."""
    targets = getattr(source.dataset, "targets", None)
    if isinstance(targets, list | tuple | np.ndarray | Tensor) and len(targets) == len(source):
        try:
            numbers = [operator.index(target) for target in targets]
        except TypeError:
            pass  # targets of another kind, which are not the items' labels
        else:
            odd = next((number for number in numbers if not 0 <= number < MOST_CLASSES), None)
            if odd is not None:
                raise DataError(f"{source.where} has the label {printable(odd)}: give 0 to {MOST_CLASSES - 1}")
            return torch.tensor(numbers)
    return torch.tensor([source.item(index)[1] for index in range(len(source))])


def _classes(where: str, dataset: Any, labels: Tensor) -> tuple[str, ...]:
    """Their names: `classes`, as torchvision's datasets have them, or else numbers up to the largest label."""
    names = getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        names = [str(label) for label in range(int(labels.max()) + 1)]
    if len(names) < 2:
        raise DataError(f"{where} has {len(names)} class: at least 2 are needed")
    check_class_names(where, names, DataError)
    return tuple(names)
