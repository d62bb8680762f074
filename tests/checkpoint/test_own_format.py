from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cct.checkpoint.load_model import load_model
from cct.checkpoint.own_format import save_checkpoint
from cct.data.load_data import load_data
from cct.errors import CctError
from cct.model_source import ModelSource
from cct.models import MODELS
from cct.recipe.recipe import Recipe


def test_it_comes_back(tmp_path: Path, same: Any) -> None:
    torch.manual_seed(0)
    module = MODELS["digits_net"](num_classes=10, in_channels=1)
    data, path = load_data("digits"), tmp_path / "a.pt"
    save_checkpoint(path, module, "digits_net", {"num_classes": 10, "in_channels": 1}, Recipe(compression=8), data)
    loaded = load_model(ModelSource(path))
    assert same(loaded.module, module)
    assert not loaded.module.training
    assert (loaded.arch, loaded.arch_args) == ("digits_net", {"num_classes": 10, "in_channels": 1})
    assert (loaded.mean, loaded.std, loaded.size) == (data.mean, data.std, data.size)
    assert (loaded.classes, loaded.channels) == (data.classes, 1)
    assert loaded.recipe is not None
    assert Recipe.from_toml(loaded.recipe).compression == 8


def test_the_same_content_gives_the_same_bytes_whatever_the_name(tmp_path: Path, net: nn.Module) -> None:
    for name in ("a.pt", "other.pt"):
        save_checkpoint(tmp_path / name, net, "resnet20", {})
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "other.pt"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, net: nn.Module) -> None:
    target = tmp_path / "a.pt"
    target.mkdir()
    with pytest.raises(CctError, match=r"a\.pt"):
        save_checkpoint(target, net, "resnet20", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_the_shipped_network() -> None:
    loaded = load_model(ModelSource(Path(__file__).parents[2] / "models" / "digits_net.pt"))
    assert (loaded.arch, loaded.size) == ("digits_net", (32, 32))


def test_a_network_from_elsewhere_needs_its_factory(tmp_path: Path, refused: Any) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\ndef make():\n    return nn.Conv2d(1, 2, 3)\n")
    save_checkpoint(tmp_path / "w.pt", nn.Conv2d(1, 2, 3), None, {})
    assert "does not name its network: give --arch" in refused(tmp_path / "w.pt", None)
    loaded = load_model(ModelSource(tmp_path / "w.pt", f"{tmp_path / 'net.py'}:make"))
    assert isinstance(loaded.module, nn.Conv2d)


def test_arguments_from_the_command_line_are_kept(tmp_path: Path, save: Any, same: Any) -> None:
    seven = MODELS["resnet20"](num_classes=7)
    loaded = load_model(ModelSource(save(seven.state_dict()), "cct.models:resnet20", {"num_classes": 7}))
    assert (loaded.arch, loaded.arch_args) == ("resnet20", {"num_classes": 7})
    save_checkpoint(tmp_path / "own.pt", loaded.module, loaded.arch, loaded.arch_args)
    assert same(load_model(ModelSource(tmp_path / "own.pt")).module, seven)


def test_it_knows_its_own_key(tmp_path: Path, net: nn.Module, refused: Any) -> None:
    save_checkpoint(tmp_path / "own.pt", net, "resnet20", {})
    assert "leave out --key" in refused(tmp_path / "own.pt", None, key="state_dict")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cct_checkpoint": 2}, "has version 2, this cct reads 1"),
        ({"cct_checkpoint": torch.ones(2)}, "has version Tensor, this cct reads 1"),
        ({"arch": "os:system"}, "names the network 'os:system'; known are digits_net"),
        ({"arch": "a\nb\x1b[31m"}, r"names the network 'a\\nb\\x1b[31m'; known"),
        ({"arch": ["resnet20"]}, "names the network"),
        ({"arch": None}, "does not name its network"),
        ({"arch_args": {"num_classes": 10**12}}, "resnet20 takes num_classes and in_channels alone"),
        ({"arch_args": {"blocks": 3}}, "resnet20 takes num_classes and in_channels alone"),
        ({"arch_args": {"num_classes": True}}, "resnet20 takes num_classes and in_channels alone"),
        ({"arch_args": [10]}, "resnet20 takes num_classes and in_channels alone"),
        ({"state_dict": {}}, "has no weights in its state_dict"),
        ({"state_dict": {"a": 1}}, "has no weights in its state_dict"),
        ({"mean": [0.5, "x"]}, "mean is no list of numbers"),
        ({"std": [float("inf")]}, "std is no list of numbers"),
        ({"size": [32]}, "size is not [height, width]"),
        ({"size": [32, 0]}, "size is not [height, width]"),
        ({"classes": ["a\nb", "c"]}, "has the class a\\nb: give names of one line"),
        ({"classes": "ab"}, "classes is no list of names"),
    ],
)
def test_what_it_says_is_checked(net: nn.Module, save: Any, refused: Any, change: dict[str, Any], message: str) -> None:
    content = {"cct_checkpoint": 1, "arch": "resnet20", "arch_args": {}, "state_dict": net.state_dict()}
    assert message in refused(save(content | change), None)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("cct_checkpoint", "has version list, this cct reads 1"),
        ("arch", "names the network 'list'"),
        ("arch_args", "resnet20 takes num_classes and in_channels alone"),
        ("state_dict", "has no weights in its state_dict"),
        ("mean", "mean is no list of numbers"),
        ("size", "size is not [height, width]"),
        ("classes", "classes is no list of names"),
    ],
)
def test_lists_deeper_than_python_can_write_out(
    net: nn.Module, save: Any, refused: Any, forge: Any, part: str, message: str
) -> None:
    content = {"cct_checkpoint": 1, "arch": "resnet20", "arch_args": {}, "state_dict": net.state_dict()}
    path = save(content | {part: "DEEP"})
    deep = b"]" * 300_000 + b"a" * 299_999
    assert message in refused(forge(path, b"X\x04\0\0\0DEEP", deep), None)


def test_attributes_that_hide_methods_change_nothing(net: nn.Module, save: Any, same: Any, forge: Any) -> None:
    weights = OrderedDict(net.state_dict())
    weights.itemx = 5  # type: ignore[attr-defined]
    path = save({"cct_checkpoint": 1, "arch": "resnet20", "arch_args": {}, "state_dict": weights})
    assert same(load_model(ModelSource(forge(path, b"itemx", b"items"))).module, net)
