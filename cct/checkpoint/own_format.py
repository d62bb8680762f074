"""The checkpoints that cct writes.

One is a dictionary:

    cct_checkpoint   1, the version
    arch             a key of cct.models.MODELS; absent if the network came from elsewhere
    arch_args        numbers that MODELS[arch] is called with
    state_dict       weights
    recipe           TOML text, if the weights were made by one
    mean, std        per channel, of pixels scaled to 0..1
    size             [height, width] in pixels
    classes          names, by output
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import nn

from cct.atomic_files import write
from cct.checkpoint.build_network import build_known, build_network, check_arguments
from cct.checkpoint.find_weights import as_weights
from cct.checkpoint.fit_weights import fit_weights
from cct.checkpoint.loaded_model import LoadedModel
from cct.data.class_names import check_class_names
from cct.data.split import Data
from cct.errors import CheckpointError
from cct.limits import LARGEST_SIDE
from cct.messages import printable
from cct.model_source import ModelSource
from cct.models import MODELS
from cct.recipe.recipe import Recipe

VERSION = 1


def is_own(raw: object) -> TypeGuard[dict[Any, Any]]:
    """Whether cct wrote what a file holds."""
    return type(raw) is dict and "cct_checkpoint" in raw


def load_own(source: ModelSource, raw: dict[Any, Any], sha256: str) -> LoadedModel:
    """Read what `save_checkpoint` wrote, or somebody who forged it.

    Args:
        source: the command line; its factory counts, not the file's, unless it is for other files too.
        raw: what the file holds.
        sha256: of the file.

    Raises:
        CheckpointError: something in it is not as it should be.
    """
    path = source.path
    if type(raw["cct_checkpoint"]) is not int or raw["cct_checkpoint"] != VERSION:
        raise CheckpointError(f"{path} has version {_shown(raw['cct_checkpoint'])}, this cct reads {VERSION}")
    if source.key is not None and not source.shared:
        raise CheckpointError(f"{path} is a checkpoint of cct, which knows where its weights are: leave out --key")
    weights = as_weights(raw.get("state_dict"))
    if weights is None:
        raise CheckpointError(f"{path} has no weights in its state_dict")
    if source.arch is not None and not (source.shared and "arch" in raw):
        network = build_network(source.arch, source.arch_args)
    else:
        known, arguments = raw.get("arch"), raw.get("arch_args", {})
        if known is None:
            raise CheckpointError(f"{path} does not name its network: give --arch package.module:factory")
        if type(known) is not str or known not in MODELS:
            raise CheckpointError(f"{path} names the network {_shown(known)!r}; known are {', '.join(MODELS)}")
        check_arguments(arguments, f"{path} has wrong arch_args: {known}")
        network = build_known(known, arguments)
    fit_weights(path, network, weights)
    return LoadedModel(
        module=network.module.eval(),
        arch=network.key,
        arch_args=network.arguments,
        sha256=sha256,
        mean=_scale(path, raw, "mean"),
        std=_scale(path, raw, "std"),
        size=_size(path, raw),
        classes=_classes(path, raw),
        recipe=raw["recipe"] if type(raw.get("recipe")) is str else None,
    )


def save_checkpoint(
    path: Path,
    module: nn.Module,
    arch: str | None,
    arch_args: Mapping[str, int],
    recipe: Recipe | None = None,
    data: Data | None = None,
) -> None:
    """Write our own checkpoint, whole or not at all; the same content gives the same bytes.

    Args:
        path: the file.
        module: the network.
        arch: its key in `MODELS`, None if it came from elsewhere.
        arch_args: what `MODELS[arch]` was called with.
        recipe: by which the weights were made.
        data: images that they were made for.
    """
    content: dict[str, Any] = {"cct_checkpoint": VERSION}
    if arch is not None:
        content |= {"arch": arch, "arch_args": dict(arch_args)}
    content["state_dict"] = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    if recipe is not None:
        content["recipe"] = recipe.to_toml()
    if data is not None:
        content |= {"mean": list(data.mean), "std": list(data.std)}
        content |= {"size": list(data.size), "classes": list(data.classes)}
    buffer = io.BytesIO()  # torch.save to a path would write the path's name into the file
    torch.save(content, buffer)
    write(path, buffer.getvalue())


def _shown(value: object) -> str:
    """A value for a message: what is neither text nor number may be too deep to be written out."""
    return printable(value if type(value) in (str, int) else type(value).__name__)


def _scale(path: Path, raw: Mapping[str, Any], name: str) -> tuple[float, ...] | None:
    values = raw.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or not all(type(v) is float and math.isfinite(v) for v in values):
        raise CheckpointError(f"{path}: {name} is no list of numbers")
    return tuple(values)


def _size(path: Path, raw: Mapping[str, Any]) -> tuple[int, int] | None:
    size = raw.get("size")
    if size is None:
        return None
    if not isinstance(size, list) or len(size) != 2 or not all(type(v) is int and 1 <= v <= LARGEST_SIDE for v in size):
        raise CheckpointError(f"{path}: size is not [height, width] of 1 to {LARGEST_SIDE} pixels")
    return size[0], size[1]


def _classes(path: Path, raw: Mapping[str, Any]) -> tuple[str, ...] | None:
    classes = raw.get("classes")
    if classes is None:
        return None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise CheckpointError(f"{path}: classes is no list of names")
    check_class_names(str(path), classes, CheckpointError)
    return tuple(classes)
