"""What a .pt can be, and how it is read safely: our own checkpoint, a state_dict, or a training checkpoint around one.

Our own checkpoint is a dictionary:

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

import hashlib
import importlib
import importlib.util
import io
import math
import re
import sys
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard, cast

import torch
from torch import Tensor, nn

from cct.data import Data
from cct.errors import CheckpointError
from cct.models import MODELS
from cct.output import write
from cct.recipe import Recipe
from cct.source import ModelSource

VERSION = 1
_LARGEST_ARGUMENT = 100_000
_LARGEST_SIDE = 4096  # pixels of an image
_SHOWN = 3  # names in an error


@dataclass(frozen=True)
class LoadedModel:
    """A network and what its file says about it.

    Attributes:
        module: float32, on the CPU, in eval mode.
        arch: its key in `MODELS`, None if the command line named other code.
        arch_args: what `MODELS[arch]` was called with.
        sha256: of the file, hexadecimal.
        mean: per channel, of pixels scaled to 0..1; None if the file does not say.
        std: likewise.
        size: (height, width) in pixels; None if the file does not say.
        classes: by output; None if the file does not say.
        recipe: TOML text; None if the file does not say.
    """

    module: nn.Module
    arch: str | None
    arch_args: dict[str, int]
    sha256: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    classes: tuple[str, ...] | None = None
    recipe: str | None = None


def load_model(source: ModelSource) -> LoadedModel:
    """Read a network from a file that is not trusted: weights only, no code.

    Raises:
        CheckpointError: the file is no model that we can read, or does not fit the network.
    """
    path, arch, key = source.path, source.arch, source.key
    raw, sha256 = _read(path)
    if isinstance(raw, dict) and "cct_checkpoint" in raw:
        return _load_own(path, raw, arch, sha256)
    if arch is None:
        raise CheckpointError(f"{path} holds weights alone: name its network with --arch package.module:factory")
    module, known = _build(arch)
    _fill(path, module, _find_weights(path, raw, key))
    return LoadedModel(module.eval(), known, {}, sha256)


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


def _read(path: Path) -> tuple[Any, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if not content:
        raise CheckpointError(f"{path} is empty")
    if zipfile.is_zipfile(io.BytesIO(content)):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise CheckpointError(f"{path} is no checkpoint, or is damaged") from error
        if any(name.split("/")[-1] == "constants.pkl" for name in names):
            raise CheckpointError(f"{path} is a TorchScript archive: save model.state_dict() and give --arch")
        if any(name.split("/")[-1] == "archive_format" for name in names):
            raise CheckpointError(f"{path} is an exported program: save model.state_dict() and give --arch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols: what matters is raised
            raw = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever the bytes provoke
        code = re.search(r"GLOBAL ((?:\w+\.)+\w+)", str(error))
        if code is not None:
            raise CheckpointError(
                f"{path} holds more than tensors, it asks for {code[1]}: save model.state_dict() alone"
            ) from error
        raise CheckpointError(f"{path} is no checkpoint, or is damaged") from error
    return raw, hashlib.sha256(content).hexdigest()


def _load_own(path: Path, raw: dict[Any, Any], arch: str | None, sha256: str) -> LoadedModel:
    if raw["cct_checkpoint"] != VERSION:
        raise CheckpointError(f"{path} has version {raw['cct_checkpoint']!r}, this cct reads {VERSION}")
    weights = raw.get("state_dict")
    if not _is_weights(weights):
        raise CheckpointError(f"{path} has no weights in its state_dict")
    arguments: dict[str, int] = {}
    if arch is not None:
        module, known = _build(arch)
    else:
        known, arguments = raw.get("arch"), raw.get("arch_args", {})
        if known is None:
            raise CheckpointError(f"{path} does not name its network: give --arch package.module:factory")
        if known not in MODELS:
            raise CheckpointError(f"{path} names the network {known!r}; known are {', '.join(MODELS)}")
        _check_arguments(path, arguments)
        module = MODELS[known](**arguments)
    _fill(path, module, weights)
    return LoadedModel(
        module=module.eval(),
        arch=known,
        arch_args=arguments,
        sha256=sha256,
        mean=_scale(path, raw, "mean"),
        std=_scale(path, raw, "std"),
        size=_size(path, raw),
        classes=_classes(path, raw),
        recipe=raw["recipe"] if isinstance(raw.get("recipe"), str) else None,
    )


def _build(arch: str) -> tuple[nn.Module, str | None]:
    """Call the factory that the command line names; also its key in `MODELS`, if it is one of those."""
    place, _, name = arch.rpartition(":")
    if not place or not name:
        raise CheckpointError(f"--arch is {arch!r}: write package.module:factory or ./file.py:factory")
    try:
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location(f"cct_arch_{Path(place).stem}", place)
            assert spec is not None  # the suffix is .py
            assert spec.loader is not None
            home = importlib.util.module_from_spec(spec)
            sys.modules[home.__name__] = home  # dataclasses and pickle look there
            sys.path.insert(0, str(Path(place).resolve().parent))  # what stands beside the file
            spec.loader.exec_module(home)
        else:
            home = importlib.import_module(place)
    except Exception as error:  # the user's own code can raise anything
        kind = f"{type(error).__name__}: {_first_line(error)}"
        raise CheckpointError(f"--arch {arch}: {place} cannot be imported ({kind})") from error
    factory = getattr(home, name, None)
    if not callable(factory):
        raise CheckpointError(f"--arch {arch}: {place} has no factory {name!r}")
    try:
        module = factory()
    except Exception as error:  # likewise
        kind = f"{type(error).__name__}: {_first_line(error)}"
        raise CheckpointError(f"--arch {arch}: {name}() raised {kind}") from error
    if not isinstance(module, nn.Module):
        raise CheckpointError(f"--arch {arch}: {name}() gave a {type(module).__name__}, not an nn.Module")
    return module.float(), next((key for key, known in MODELS.items() if known is factory), None)


def _is_weights(value: object) -> TypeGuard[Mapping[str, Tensor]]:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _find_weights(path: Path, raw: Any, key: str | None) -> Mapping[str, Tensor]:
    """The state_dict in whatever the file holds."""
    if key is None and _is_weights(raw):
        return raw
    if not isinstance(raw, Mapping):
        raise CheckpointError(f"{path} holds a {type(raw).__name__}, not a state_dict: save model.state_dict()")
    found = [name for name, value in raw.items() if _is_weights(value)]
    if key is not None:
        if key not in found:
            raise CheckpointError(f"{path} has no weights under {key!r}; it has {_some(found) or 'none'}")
        return cast("Mapping[str, Tensor]", raw[key])
    if not found:
        raise CheckpointError(f"{path} holds no state_dict; its keys are {_some(list(raw)) or 'none'}")
    if len(found) > 1:
        raise CheckpointError(f"{path} holds several state_dicts: choose one with --key, of {', '.join(found)}")
    return cast("Mapping[str, Tensor]", raw[found[0]])


def _fill(path: Path, module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put the weights into the module, after checking that they are its."""
    wanted = module.state_dict()
    # DataParallel's prefix, which may also be the first part of the network's own names.
    while not any(name in wanted for name in weights) and all(name.startswith("module.") for name in weights):
        weights = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    # Checkpoints from before PyTorch 0.4.1 lack these counters, which no answer depends on.
    missing = [n for n in wanted if n not in weights and not n.endswith("num_batches_tracked")]
    unexpected = [name for name in weights if name not in wanted]
    if missing or unexpected:
        faults = [f"lacks {_some(missing)}"] if missing else []
        faults += [f"has {_some(unexpected)} too many"] if unexpected else []
        raise CheckpointError(f"{path} does not fit the network: it {' and '.join(faults)}; check --arch")
    for name, tensor in weights.items():
        if tensor.layout != torch.strided or tensor.is_complex() or tensor.is_quantized or tensor.is_meta:
            raise CheckpointError(f"{path}: {name} is no plain dense tensor")
        if tensor.shape != wanted[name].shape:
            shapes = f"{list(tensor.shape)}, the network wants {list(wanted[name].shape)}"
            raise CheckpointError(f"{path}: {name} has the shape {shapes}; check --arch and its number of classes")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(f"{path}: {name} holds NaN or infinity: the training that made it diverged")
    module.load_state_dict(weights, strict=False)


def _check_arguments(path: Path, arguments: Any) -> None:
    plain = isinstance(arguments, dict) and set(arguments) <= {"num_classes", "in_channels"}
    if not plain or not all(type(v) is int and 1 <= v <= _LARGEST_ARGUMENT for v in arguments.values()):
        raise CheckpointError(f"{path} has arch_args that no network of cct takes")


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
    if (
        not isinstance(size, list)
        or len(size) != 2
        or not all(type(v) is int and 1 <= v <= _LARGEST_SIDE for v in size)
    ):
        raise CheckpointError(f"{path}: size is not [height, width] of 1 to {_LARGEST_SIDE} pixels")
    return size[0], size[1]


def _classes(path: Path, raw: Mapping[str, Any]) -> tuple[str, ...] | None:
    classes = raw.get("classes")
    if classes is None:
        return None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise CheckpointError(f"{path}: classes is no list of names")
    return tuple(classes)


def _some(names: Sequence[object]) -> str:
    shown = ", ".join(str(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
