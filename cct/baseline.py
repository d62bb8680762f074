"""Whether a network and a data set belong together, before anything is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from cct.data import Data
from cct.errors import DataError
from cct.train import evaluate


def baseline_accuracy(module: torch.nn.Module, images: Data, names: Sequence[str] | None = None) -> float:
    """Accuracy on the validation images, percent, of a network that is to be compared with.

    Args:
        module: the network.
        images: what it is measured on.
        names: of its classes in their order, where its checkpoint says them.

    Raises:
        DataError: the network does not take the images, has other classes, or is no better than chance.
    """
    classes = len(images.classes)
    if names is not None and tuple(names) != images.classes:
        own, given = (", ".join(part[:4]) for part in (tuple(names), images.classes))
        raise DataError(f"the model's classes are {own} ...; {images.name} has {given} ...: they must agree, in order")
    try:
        with torch.no_grad():
            logits = module(images.example().to(next(module.parameters()).device))
    except (RuntimeError, ValueError) as error:
        line = str(error).split("\n")[0]
        raise DataError(f"the model does not take images of {images.name} ({line}): check channels and size") from error
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[1] != classes:
        answer = tuple(logits.shape[1:]) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise DataError(f"{images.name} has {classes} classes, the model answers {answer}: they must agree")
    accuracy = evaluate(module, images)
    labels = images.val.labels
    chance = float(labels.bincount().max()) / len(labels)  # of who always answers the most frequent class
    spread = math.sqrt(chance * (1 - chance) / len(labels))
    if accuracy / 100 < chance + 3 * spread:
        raise DataError(
            f"the model gets {accuracy:.1f} % of {images.name} right, near chance ({100 * chance:.1f} %): "
            "check the order of the classes, the normalization (mean, std) and the image size"
        )
    return accuracy
