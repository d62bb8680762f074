"""Small reference networks; `MODELS` names all that a checkpoint file may ask for."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from cct.models.digits_net import digits_net
from cct.models.resnet_cifar import resnet20, resnet32, resnet44, resnet56
from cct.models.vgg import vgg11, vgg13, vgg16

MODELS: dict[str, Callable[..., nn.Module]] = {
    "digits_net": digits_net,
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet44": resnet44,
    "resnet56": resnet56,
    "vgg11": vgg11,
    "vgg13": vgg13,
    "vgg16": vgg16,
}

__all__ = [
    "MODELS",
    "digits_net",
    "resnet20",
    "resnet32",
    "resnet44",
    "resnet56",
    "vgg11",
    "vgg13",
    "vgg16",
]
