import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torchvision.models import mobilenet_v2, resnet18

from cct.errors import RecipeError
from cct.passes.module.prunable import prunable


def test_resnet18() -> None:
    reasons = prunable(resnet18())
    assert reasons["conv1"] == "first convolution"
    assert reasons["layer2.0.downsample.0"] == "shortcut"
    assert sum(reason is None for reason in reasons.values()) == 16


def test_include_lifts_and_exclude_wins() -> None:
    reasons = prunable(resnet18(), include=["conv1", "*downsample*"], exclude=["layer1.*", "layer2.0.downsample.0"])
    assert reasons["conv1"] is None
    assert reasons["layer3.0.downsample.0"] is None
    assert reasons["layer1.0.conv1"] == reasons["layer2.0.downsample.0"] == "excluded"


def test_depthwise_stays() -> None:
    reasons = prunable(mobilenet_v2())
    assert reasons["features.1.conv.0.0"] == "depthwise"
    assert reasons["features.2.conv.0.0"] is None


def test_no_packed_form_even_if_included() -> None:
    shared = nn.Conv2d(4, 4, 3)
    twin = nn.Conv2d(4, 4, 3)
    twin.weight = shared.weight
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(4, 4, 3),
        shared,
        twin,
        weight_norm(nn.Conv2d(4, 4, 3)),
        nn.Conv2d(4, 4, 3),
    )
    reasons = prunable(network, include=["*"])
    assert list(reasons.values()) == [
        None,
        "padding mode reflect",
        "ConvTranspose2d, not Conv2d",
        "its weight is shared",
        "its weight is shared",
        "its weight is computed from others",
        None,
    ]


def test_a_convolution_that_is_used_under_two_names_is_pruned_once() -> None:
    convolution = nn.Conv2d(4, 4, 3)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), convolution, nn.ReLU(), convolution)
    assert prunable(network) == {"0": "first convolution", "1": None}
    assert network(torch.zeros(1, 3, 9, 9)).shape[1] == 4


def test_unknown_name() -> None:
    with pytest.raises(RecipeError, match=r"layer1\.0\.con1; is it layer1\.0\.conv1"):
        prunable(resnet18(), exclude=["layer1.0.con1"])
