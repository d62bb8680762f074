"""Whether a network and a data set belong together, before anything is made of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch

from cct.checkpoint.loaded_model import LoadedModel
from cct.data.split import Data
from cct.errors import DataError, UnsupportedModel
from cct.measure.accuracy import check_split
from cct.messages import first_line, some
from cct.model_source import ModelSource
from cct.training.evaluate import predict


def baseline_accuracy(module: torch.nn.Module, images: Data, names: Sequence[str] | None = None) -> float:
    """Accuracy on the validation images, percent, of a network that is to be compared with.

    Args:
        module: the network.
        images: what it is measured on.
        names: of its classes in their order, where its checkpoint says them.

    Raises:
        DataError: the network does not take the images, has other classes, answers NaN, or is no better than chance.
        UnsupportedModel: the network answers something else than logits.
    """
    classes = len(images.classes)
    if names is not None and tuple(names) != images.classes:
        own, given = (some(part, 4) for part in (names, images.classes))
        raise DataError(f"the model's classes are {own}; {images.name} has {given}: they must agree, in order")
    check_split(images)
    logits = _answer(module, images.example(), images.name)
    if not isinstance(logits, torch.Tensor):
        raise UnsupportedModel(
            f"the model answers a {type(logits).__name__}, not one tensor of logits: name a factory in --arch whose "
            "network returns the logits alone"
        )
    if logits.ndim != 2 or logits.shape[1] != classes:
        answer = tuple(logits.shape[1:])
        raise DataError(f"{images.name} has {classes} classes, the model answers {answer}: they must agree")
    logits = predict(module, images)
    check_finite(int((~logits.isfinite()).any(1).sum()), images)
    accuracy = 100 * (logits.argmax(1) == images.val.labels).double().mean().item()
    check_chance(accuracy, images)
    return accuracy


def check_finite(count: int, images: Data) -> None:
    """Make sure that a baseline answers numbers.

    Args:
        count: validation images that it answers with NaN or infinity.
        images: what it was measured on.

    Raises:
        DataError: there are some.
    """
    if count:
        raise DataError(
            f"the model answers NaN or infinity for {count} of {len(images.val)} images of {images.name}: nothing can "
            "be compared with it; check its weights and the normalization (mean, std)"
        )


def check_chance(accuracy: float, images: Data) -> None:
    """Make sure that a baseline, which is to be compared with, has learned something.

    Args:
        accuracy: on the validation images, percent.
        images: what it was measured on.

    Raises:
        DataError: it is no better than chance.
    """
    if accuracy < least_accuracy(images):
        raise DataError(
            f"the model gets {accuracy:.1f} % of {images.name} right, near chance ({100 * _chance(images):.1f} %): "
            "check the order of the classes, the normalization (mean, std) and the image size"
        )


def least_accuracy(images: Data) -> float:
    """Percent from which on a model has learned something: three standard deviations above chance."""
    chance = _chance(images)
    return 100 * (chance + 3 * math.sqrt(chance * (1 - chance) / len(images.val.labels)))


def _chance(images: Data) -> float:
    """Share that is right of who always answers the most frequent class."""
    labels = images.val.labels
    return float(labels.bincount().max()) / len(labels)


def check_teacher(source: ModelSource, teacher: LoadedModel, images: Data) -> None:
    """Make sure that a network to distil from knows the images, as the network that learns gets them.

    Raises:
        DataError: it takes others, has other classes, or is no better than chance.
        UnsupportedModel: it answers something else than logits.
    """
    for name in ("mean", "std"):
        own, given = getattr(teacher, name), tuple(getattr(images, name))
        if own is not None and (len(own) != len(given) or not np.allclose(own, given, atol=1e-4)):
            raise DataError(f"--teacher {source.path}: its {name} is {own}, the model's {given}: they must agree")
    try:
        baseline_accuracy(teacher.module, images, teacher.classes)
    except (DataError, UnsupportedModel) as error:
        raise type(error)(f"--teacher {source.path}: {error}") from error


def check_training(module: torch.nn.Module, images: Data) -> None:
    """Ask a copy of the network for its answer while it trains.

    Raises:
        UnsupportedModel: it answers more than logits, as networks with auxiliary classifiers do.
    """
    two = torch.cat([images.example()] * 2)
    answer = _answer(copy.deepcopy(module).train(), two, images.name)
    if not isinstance(answer, torch.Tensor):
        raise UnsupportedModel(
            f"in training the model answers a {type(answer).__name__}, not one tensor of logits: build it without "
            "auxiliary classifiers (--arch-arg aux_logits=False)"
        )


def check_gradients(module: torch.nn.Module, images: Data) -> None:
    """Make sure that all parameters have gradients, which processes that train together wait for.

    Raises:
        UnsupportedModel: one has no say in the answer.
    """
    copied = copy.deepcopy(module).train()
    two = torch.cat([images.example()] * 2).to(next(module.parameters()).device)
    copied(two).sum().backward()
    idle = [name for name, parameter in copied.named_parameters() if parameter.requires_grad and parameter.grad is None]
    if idle:
        raise UnsupportedModel(
            f"{some(idle, 3)}: without a say in the answer, which training in several processes needs: leave them out, "
            "freeze them (requires_grad_(False)) in the factory of --arch, or train in one process"
        )


def _answer(module: torch.nn.Module, batch: torch.Tensor, name: str) -> object:
    try:
        with torch.no_grad():
            return module(batch.to(next(module.parameters()).device))
    except (Exception, SystemExit) as error:  # it is the user's own code
        line = first_line(error)
        raise DataError(f"the model does not take images of {name} ({line}): check channels and size") from error
