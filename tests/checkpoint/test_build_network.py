import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from cct.checkpoint.build_network import build_network
from cct.checkpoint.load_model import load_model
from cct.errors import CheckpointError
from cct.model_source import ModelSource
from tests.support.tools import missing


def why(arch: str, **arguments: object) -> str:
    with pytest.raises(CheckpointError) as caught:
        build_network(arch, arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(text: str, name: str = "net.py") -> str:
        (tmp_path / name).write_text(f"from torch import nn\n{text}")
        return f"{tmp_path / name}"

    return write


def test_a_factory_in_a_users_file(file: Any, save: Any) -> None:
    path = file("def make(width=2):\n    return nn.Conv2d(1, width, 3)\n")
    loaded = load_model(ModelSource(save(nn.Conv2d(1, 4, 3).state_dict()), f"{path}:make", {"width": 4}))
    assert isinstance(loaded.module, nn.Conv2d)
    assert (loaded.arch, loaded.channels) == (None, 1)
    assert isinstance(build_network(f"{path}:make", {}).module, nn.Conv2d)


def test_a_file_of_the_user_may_be_ordinary_python(file: Any, tmp_path: Path) -> None:
    (tmp_path / "sibling.py").write_text("WIDTH = 2\n")
    path = tmp_path / "ordinary.py"
    path.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from sibling import WIDTH\n"
        "from torch import nn\n"
        "@dataclass\n"
        "class Shape:\n"
        "    width: int = WIDTH\n"
        "def make(): return nn.Linear(Shape().width, 1)\n"
    )
    assert isinstance(build_network(f"{path}:make", {}).module, nn.Linear)


def test_a_package_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine_of_cct_test").mkdir()
    (tmp_path / "mine_of_cct_test" / "nets.py").write_text("from torch import nn\nmake = lambda: nn.Linear(1, 1)\n")
    assert isinstance(build_network("mine_of_cct_test.nets:make", {}).module, nn.Linear)


def test_wrong_factories_are_named(file: Any, tmp_path: Path) -> None:
    assert "write package.module:function or ./file.py:function" in why("resnet20")
    assert "no_such_package cannot be imported (ModuleNotFoundError" in why("no_such_package:make")
    assert "nowhere.py cannot be imported" in why(f"{tmp_path}/nowhere.py:make")
    assert "has no function 'resnet21'" in why("cct.models:resnet21")
    assert "gave a OrderedDict, not an nn.Module" in why("collections:OrderedDict")
    assert "cannot be imported (SyntaxError: " in why(file("def make(:\n", "bad.py") + ":make")
    assert "cannot be imported (SystemExit: " in why(file("raise SystemExit(0)", "exits.py") + ":make")
    assert "raised ZeroDivisionError: division by zero" in why(file("def make(): 1 / 0", "raises.py") + ":make")
    lazy = file("def make(): return nn.LazyConv2d(2, 3)", "lazy.py") + ":make"
    assert "has lazy layers" in why(lazy)


def test_wrong_arguments_are_explained(file: Any) -> None:
    path = file("def make(width, depth=1):\n    return nn.Conv2d(1, width, 3)\n") + ":make"
    assert "takes width, depth: missing a required argument: 'width'" in why(path)
    assert "takes width, depth: got an unexpected keyword argument 'classes'" in why(path, width=1, classes=2)
    assert "raised TypeError" in why(path, width="wide")
    assert "unexpected keyword argument 'blocks'" in why("torchvision.models:resnet18", blocks=2)
    assert "resnet20 takes num_classes and in_channels alone" in why("cct.models:resnet20", num_classes=0)
    assert "resnet20 takes num_classes and in_channels alone" in why("cct.models:resnet20", blocks=2)


def test_arguments_need_a_factory(save: Any, refused: Any) -> None:
    path = save(nn.Linear(1, 1).state_dict())
    assert "name its network with --arch" in refused(path, None)
    assert "--arch-arg is an argument of the factory" in refused(path, None, arch_args={"num_classes": 1})


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("opened a connection"))
    assert "--arch-arg weights: leave it out" in why("torchvision.models:resnet18", weights="DEFAULT")
    assert "--arch-arg pretrained: leave it out" in why("torchvision.models:resnet18", pretrained=True)
    build_network("torchvision.models.segmentation:lraspp_mobilenet_v3_large", {})  # its backbone's would be by default


def test_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    if not find_spec("timm"):
        missing("no timm")
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("opened a connection"))
    assert build_network("timm.models:resnet10t", {"num_classes": 7}).module.num_classes == 7
    named = {"model_name": "resnet10t", "in_chans": 1}
    assert build_network("timm:create_model", named).module.get_submodule("conv1")
    assert "nothing is downloaded" in why("timm:create_model", model_name="hf-hub:timm/resnet10t.c3_in1k")
    assert "--arch-arg pretrained: leave it out" in why("timm.models:resnet10t", pretrained=True)
