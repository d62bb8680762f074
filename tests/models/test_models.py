import pytest
import torch
from torch import nn

from cct.models import MODELS


@pytest.mark.parametrize("name", list(MODELS))
def test_shapes(name: str) -> None:
    channels = 1 if name == "digits_net" else 3
    assert MODELS[name]().eval()(torch.zeros(2, channels, 32, 32)).shape == (2, 10)
    assert MODELS[name](num_classes=7, in_channels=2).eval()(torch.zeros(1, 2, 32, 32)).shape == (1, 7)


@pytest.mark.parametrize(
    ("name", "millions"),
    [("resnet20", 0.27), ("resnet32", 0.46), ("resnet44", 0.66), ("resnet56", 0.85), ("vgg16", 14.7)],
)
def test_weights_as_published(name: str, millions: float) -> None:
    count = sum(parameter.numel() for parameter in MODELS[name]().parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.03)


def test_shortcuts_learn_nothing() -> None:
    block = MODELS["resnet20"]().get_submodule("layer2.0")
    assert isinstance(block, nn.Module)
    assert {name.split(".")[0] for name in block.state_dict()} == {"conv1", "bn1", "conv2", "bn2"}
