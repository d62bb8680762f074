import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cct.checkpoint import load_model, save_checkpoint
from cct.data import load_data
from cct.errors import CctError, CheckpointError
from cct.models import MODELS
from cct.recipe import Recipe
from cct.source import ModelSource

SHARED = Path(os.environ.get("CCT_SHARED", Path(__file__).parents[2] / "shared"))
PUBLIC = SHARED / "data" / "resnet20-12fca82f.th"
RESNET = "cct.models:resnet20"


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return MODELS["resnet20"]()


def saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
    return all(m == n and torch.equal(x, y) for (m, x), (n, y) in pairs)


def refused(path: Path, arch: str | None = RESNET, key: str | None = None) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(ModelSource(path, arch, key=key))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_our_own_checkpoint_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = MODELS["digits_net"](num_classes=10, in_channels=1)
    data, path = load_data("digits"), tmp_path / "a.pt"
    save_checkpoint(path, module, "digits_net", {"num_classes": 10, "in_channels": 1}, Recipe(compression=8), data)
    loaded = load_model(ModelSource(path))
    assert same_weights(loaded.module, module)
    assert not loaded.module.training
    assert (loaded.arch, loaded.arch_args) == ("digits_net", {"num_classes": 10, "in_channels": 1})
    assert (loaded.mean, loaded.std, loaded.size) == (data.mean, data.std, data.size)
    assert loaded.classes == data.classes
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


def test_plain_nested_and_prefixed_weights(tmp_path: Path, net: nn.Module) -> None:
    weights = net.state_dict()
    prefixed = {f"module.{name}": tensor for name, tensor in weights.items()}
    half = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    optimizer = torch.optim.SGD(net.parameters(), 0.1).state_dict()
    nested = [{"state_dict": prefixed, "epoch": 3}, {"model": weights, "optimizer": optimizer}]
    for content in (weights, prefixed, *nested):
        loaded = load_model(ModelSource(saved(content, tmp_path / "w.pt"), RESNET))
        assert same_weights(loaded.module, net)
        assert loaded.arch == "resnet20"
    halved = load_model(ModelSource(saved(half, tmp_path / "h.pt"), RESNET)).module
    assert {parameter.dtype for parameter in halved.parameters()} == {torch.float32}


def test_several_places_need_a_key(tmp_path: Path, net: nn.Module) -> None:
    other = {name: tensor + 1 for name, tensor in net.state_dict().items()}
    path = saved({"model": net.state_dict(), "ema": other}, tmp_path / "two.pt")
    assert "choose one with --key, of model, ema" in refused(path)
    assert "no weights under 'net'; it has model, ema" in refused(path, key="net")
    assert same_weights(load_model(ModelSource(path, RESNET, key="model")).module, net)


def test_old_checkpoints_lack_batch_counters(tmp_path: Path, net: nn.Module) -> None:
    old = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert same_weights(load_model(ModelSource(saved(old, tmp_path / "old.pt"), RESNET)).module, net)


@pytest.mark.skipif(not PUBLIC.exists(), reason="needs the public checkpoint (CCT_SHARED)")
def test_the_public_checkpoint() -> None:
    loaded = load_model(ModelSource(PUBLIC, RESNET))
    assert loaded.sha256.startswith("12fca82f")
    assert loaded.module.get_parameter("linear.weight").shape == (10, 64)
    assert loaded.mean is None


def test_the_shipped_network() -> None:
    loaded = load_model(ModelSource(Path(__file__).parents[1] / "models" / "digits_net.pt"))
    assert (loaded.arch, loaded.size) == ("digits_net", (32, 32))


def test_a_factory_in_a_users_file(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\ndef make():\n    return nn.Conv2d(1, 2, 3)\n")
    path = saved(nn.Conv2d(1, 2, 3).state_dict(), tmp_path / "w.pt")
    loaded = load_model(ModelSource(path, f"{tmp_path / 'net.py'}:make"))
    assert isinstance(loaded.module, nn.Conv2d)
    assert loaded.arch is None
    save_checkpoint(path, loaded.module, loaded.arch, loaded.arch_args)
    assert "does not name its network: give --arch" in refused(path, None)
    assert isinstance(load_model(ModelSource(path, f"{tmp_path / 'net.py'}:make")).module, nn.Conv2d)


def test_wrong_factories_are_named(tmp_path: Path, net: nn.Module) -> None:
    path = saved(net.state_dict(), tmp_path / "w.pt")
    assert "name its network with --arch" in refused(path, None)
    assert "write package.module:factory" in refused(path, "resnet20")
    assert "no_such_package cannot be imported" in refused(path, "no_such_package:make")
    assert "nowhere.py cannot be imported" in refused(path, f"{tmp_path}/nowhere.py:make")
    assert "has no factory 'resnet21'" in refused(path, "cct.models:resnet21")
    assert "not an nn.Module" in refused(path, "collections:OrderedDict")


def test_weights_that_do_not_fit_are_named(tmp_path: Path, net: nn.Module) -> None:
    weights = net.state_dict()
    path = tmp_path / "w.pt"
    lacking = {name: tensor for name, tensor in weights.items() if not name.startswith("layer1.")}
    assert "it lacks layer1.0.conv1.weight, layer1.0.bn1.weight, layer1.0.bn1.bias and" in refused(saved(lacking, path))
    assert "it has fc.weight too many" in refused(saved(weights | {"fc.weight": torch.zeros(1)}, path))
    wide = weights | {"linear.weight": torch.zeros(100, 64)}
    assert "linear.weight has the shape [100, 64], the network wants [10, 64]" in refused(saved(wide, path))
    sick = weights | {"bn1.bias": torch.full((16,), float("nan"))}
    assert "bn1.bias holds NaN or infinity" in refused(saved(sick, path))
    odd = weights | {"linear.weight": torch.zeros(10, 64, dtype=torch.complex64)}
    assert "linear.weight is no plain dense tensor" in refused(saved(odd, path))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # TorchScript is on its way out
def test_other_files_are_refused(tmp_path: Path, net: nn.Module) -> None:
    path = tmp_path / "x.pt"
    assert "cannot be read: No such file" in refused(path)
    path.write_bytes(b"")
    assert "is empty" in refused(path)
    path.write_bytes(b"certainly something else")
    assert "is no checkpoint, or is damaged" in refused(path)
    whole = saved(net.state_dict(), path).read_bytes()
    for length in (1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "is no checkpoint, or is damaged" in refused(path)
    assert "holds a Tensor, not a state_dict" in refused(saved(torch.zeros(1), path))
    assert "holds no state_dict; its keys are epoch" in refused(saved({"epoch": 1}, path))
    assert "holds no state_dict; its keys are none" in refused(saved({}, path))
    torch.jit.save(torch.jit.trace(nn.Conv2d(1, 2, 3), torch.zeros(1, 1, 5, 5)), path)
    assert "is a TorchScript archive: save model.state_dict()" in refused(path)
    torch.export.save(torch.export.export(nn.Conv2d(1, 2, 3), (torch.zeros(1, 1, 5, 5),)), path.with_suffix(".pt2"))
    assert "is an exported program" in refused(path.with_suffix(".pt2"))


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_code_in_a_file_does_not_run(tmp_path: Path, save: Any) -> None:
    path, proof = tmp_path / "x.pt", tmp_path / "ran"
    save({"state_dict": Hostile(proof)}, path)
    assert "x.pt" in refused(path)
    assert not proof.exists()
    whole = tmp_path / "module.pt"
    torch.save(nn.Conv2d(1, 2, 3), whole)
    assert "holds more than tensors, it asks for torch.nn.modules.conv.Conv2d" in refused(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cct_checkpoint": 2}, "has version 2, this cct reads 1"),
        ({"arch": "os:system"}, "names the network 'os:system'; known are digits_net"),
        ({"arch": None}, "does not name its network"),
        ({"arch_args": {"num_classes": 10**12}}, "arch_args that no network of cct takes"),
        ({"arch_args": {"blocks": 3}}, "arch_args that no network of cct takes"),
        ({"arch_args": {"num_classes": True}}, "arch_args that no network of cct takes"),
        ({"arch_args": [10]}, "arch_args that no network of cct takes"),
        ({"state_dict": {}}, "has no weights in its state_dict"),
        ({"mean": [0.5, "x"]}, "mean is no list of numbers"),
        ({"std": [float("inf")]}, "std is no list of numbers"),
        ({"size": [32]}, "size is not [height, width]"),
        ({"size": [32, 0]}, "size is not [height, width]"),
        ({"classes": "ab"}, "classes is no list of names"),
    ],
)
def test_what_our_own_checkpoint_says_is_checked(
    tmp_path: Path, net: nn.Module, change: dict[str, Any], message: str
) -> None:
    content = {"cct_checkpoint": 1, "arch": "resnet20", "arch_args": {}, "state_dict": net.state_dict()}
    assert message in refused(saved(content | change, tmp_path / "w.pt"), None)


def test_names_that_begin_with_module_are_the_networks_own(tmp_path: Path) -> None:
    (tmp_path / "wrapped.py").write_text(
        "from torch import nn\n"
        "class Wrapped(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.module = nn.Linear(2, 2)\n"
    )
    arch = f"{tmp_path / 'wrapped.py'}:Wrapped"
    weights = {"module.weight": torch.ones(2, 2), "module.bias": torch.ones(2)}
    for content in (weights, {f"module.{name}": tensor for name, tensor in weights.items()}):
        assert (
            load_model(ModelSource(saved(content, tmp_path / "w.pt"), arch)).module.state_dict()["module.bias"].sum()
            == 2
        )


def test_a_file_of_the_user_may_be_ordinary_python(tmp_path: Path) -> None:
    (tmp_path / "sibling.py").write_text("WIDTH = 2\n")
    (tmp_path / "net.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from sibling import WIDTH\n"
        "from torch import nn\n"
        "@dataclass\n"
        "class Shape:\n"
        "    width: int = WIDTH\n"
        "def make(): return nn.Linear(Shape().width, 1)\n"
    )
    loaded = load_model(
        ModelSource(saved(nn.Linear(2, 1).state_dict(), tmp_path / "w.pt"), f"{tmp_path / 'net.py'}:make")
    )
    assert isinstance(loaded.module, nn.Linear)


def test_a_damaged_archive_is_named(tmp_path: Path, net: nn.Module) -> None:
    content = bytearray(saved(net.state_dict(), tmp_path / "w.pt").read_bytes())
    at = content.index(b"PK\x01\x02")  # the archive's directory
    content[at : at + 4] = b"none"
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        load_model(ModelSource(tmp_path / "w.pt", RESNET))
