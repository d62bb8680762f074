"""A network, files to keep it in, and what is said of files that are refused."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cct.checkpoint.load_model import load_model
from cct.errors import CheckpointError
from cct.model_source import ModelSource
from cct.models import MODELS

RESNET = "cct.models:resnet20"


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return MODELS["resnet20"]()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write with torch.save."""

    def write(content: Any, name: str = "w.pt", **options: Any) -> Path:
        torch.save(content, tmp_path / name, **options)
        return tmp_path / name

    return write


@pytest.fixture
def forge() -> Callable[[Path, bytes, bytes], Path]:
    """Put other bytes into the pickle of what torch.save wrote."""

    def change(path: Path, old: bytes, new: bytes) -> Path:
        whole = io.BytesIO(path.read_bytes())
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
            for name in source.namelist():
                part = source.read(name)
                if name.endswith("data.pkl"):
                    assert old in part
                    part = part.replace(old, new)
                target.writestr(name, part)
        return path

    return change


@pytest.fixture
def refused() -> Callable[..., str]:
    """The one line that says why a file is refused."""

    def ask(path: Path, arch: str | None = RESNET, **options: Any) -> str:
        with pytest.raises(CheckpointError) as caught:
            load_model(ModelSource(path, arch, **options))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return ask


@pytest.fixture
def same() -> Callable[[nn.Module, nn.Module], bool]:
    """Whether two networks have the same weights."""

    def compare(a: nn.Module, b: nn.Module) -> bool:
        pairs = zip(a.state_dict().items(), b.state_dict().items(), strict=True)
        return all(m == n and torch.equal(x, y) for (m, x), (n, y) in pairs)

    return compare


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    return Hostile(tmp_path / "ran")
