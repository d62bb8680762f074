"""What MODEL can be: state_dicts, training checkpoints, our own format, the format before PyTorch 1.6, safetensors."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import archive
import safetensors.torch
import torch
from torch import nn

from cct.checkpoint.load_model import load_model
from cct.checkpoint.own_format import save_checkpoint
from cct.model_source import ModelSource
from cct.models import MODELS
from cct.recipe.recipe import Recipe

FILE = Path(tempfile.mkdtemp()) / "m.pt"


def tiny(num_classes: int = 2, in_channels: int = 1) -> nn.Module:
    """A network whose checkpoint has few bytes to change."""
    return nn.Sequential(nn.Conv2d(in_channels, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, num_classes))


MODELS["tiny"] = tiny


def seeds() -> Iterator[bytes]:
    """Each form of a file."""
    module = tiny()
    weights = module.state_dict()
    save_checkpoint(FILE, module, "tiny", {"num_classes": 2}, Recipe())
    yield FILE.read_bytes()
    training = {
        "model": {f"module.{name}": tensor for name, tensor in weights.items()},
        "epoch": 3,
        "best": [1.5, None],
    }
    for content in (weights, training, {"state_dict": weights, "ema": weights}, {"a": {"b": weights}}):
        for new in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=new)
            yield buffer.getvalue()
    yield safetensors.torch.save(dict(weights))


def read_alone(data: bytes) -> None:
    """Without --arch: our own checkpoints are read, others refused."""
    FILE.write_bytes(data)
    load_model(ModelSource(FILE))


def read_for_a_network(data: bytes) -> None:
    """With --arch."""
    FILE.write_bytes(data)
    load_model(ModelSource(FILE, "checkpoint:tiny"))


READ: Any = (read_alone, read_for_a_network)
mutate = archive.mutate
