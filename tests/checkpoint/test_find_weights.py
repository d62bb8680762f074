from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cct.checkpoint.load_model import load_model
from cct.model_source import ModelSource

RESNET = "cct.models:resnet20"


def other(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor + 1 for name, tensor in net.state_dict().items()}


def test_plain_and_nested(net: nn.Module, save: Any, same: Any) -> None:
    weights = net.state_dict()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    net(torch.zeros(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    weights = net.state_dict()
    for content in (
        weights,
        dict(net.named_parameters()) | dict(net.named_buffers()),
        {"state_dict": weights, "epoch": 3, "best": 0.5, "note": "x"},
        {"model": weights, "optimizer": optimizer.state_dict()},
        {"state": {"model": weights}, "optimizer": optimizer.state_dict()},
    ):
        loaded = load_model(ModelSource(save(content), RESNET))
        assert same(loaded.module, net)
        assert loaded.arch == "resnet20"


def test_several_places_need_a_key(net: nn.Module, save: Any, same: Any, refused: Any) -> None:
    path = save({"model": net.state_dict(), "ema": other(net)})
    assert "holds several state_dicts: choose one with --key, of model, ema" in refused(path)
    assert "no weights under 'net'; it has model, ema" in refused(path, key="net")
    assert same(load_model(ModelSource(path, RESNET, key="model")).module, net)


def test_keys_of_nested_places_have_dots(net: nn.Module, save: Any, same: Any, refused: Any) -> None:
    path = save({"epoch": 1, "state": {"model": other(net), "model_ema": net.state_dict()}})
    assert "choose one with --key, of state.model, state.model_ema" in refused(path)
    assert same(load_model(ModelSource(path, RESNET, key="state.model_ema")).module, net)
    deeper = save({"model": other(net), "extra": {"ema": net.state_dict()}})
    assert same(load_model(ModelSource(deeper, RESNET, key="extra.ema")).module, net)


def test_a_key_into_weights_alone(net: nn.Module, save: Any, refused: Any) -> None:
    assert "no weights under 'model'; it has none: leave out --key" in refused(save(net.state_dict()), key="model")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(1), "holds a Tensor, not a state_dict"),
        ([1, 2], "holds a list, not a state_dict"),
        ({"epoch": 1}, "holds no state_dict; its keys are epoch"),
        ({}, "holds no state_dict; its keys are none"),
        ({"a\nb\x1b[2J": 1}, "a\\nb\\x1b[2J"),
        ({"x" * 1000: 1}, "x" * 100 + "..."),
    ],
)
def test_no_weights_at_all(save: Any, refused: Any, content: Any, message: str) -> None:
    assert message in refused(save(content))


def test_a_dictionary_in_itself(tmp_path: Path, save: Any, refused: Any) -> None:
    content: dict[str, Any] = {}
    content["again"] = content
    assert "holds no state_dict; its keys are again" in refused(save(content))
