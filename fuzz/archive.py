"""Changes of what torch.save and numpy write: zip files, in three depths."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import atheris
import numpy as np
import torch

Rng = np.random.Generator


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Change the bytes, or those of one member of the archive, or one of the values that it holds."""
    rng = np.random.default_rng(seed)
    how = rng.random()
    changed = None
    try:
        if how < 0.4:
            changed = _one_member(rng, data)
        elif how < 0.8:
            changed = _one_value(rng, data)
    except Exception:
        pass  # no archive any more, or none of torch
    if changed is not None and len(changed) <= most:
        return changed
    return bytes(atheris.Mutate(data, most))


def _one_member(rng: Rng, data: bytes) -> bytes:
    """The archive with one member changed, and its checksum again right."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(changed, "w") as after:
        names = before.namelist()
        pickles = [name for name in names if name.endswith(".pkl")]
        chosen = _pick(rng, pickles if pickles and rng.random() < 0.7 else names)
        for name in names:
            content = before.read(name)
            after.writestr(name, atheris.Mutate(content, len(content) + 64) if name == chosen else content)
    return changed.getvalue()


def _one_value(rng: Rng, data: bytes) -> bytes:
    """The archive with something else in one place of the dictionaries and lists that it holds."""
    content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    places = _places(content)
    holder, key = _pick(rng, places)
    value = holder[key]
    how = rng.integers(6)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[_pick(rng, ["", "x.y", "\n", 7, None, (1, 2), "module." + str(key)])] = holder.pop(key)
    elif how == 2:
        holder[key] = {"a": value}
    elif how == 3:
        holder[key] = _pick(rng, places)[0]  # perhaps what holds it
    elif how == 4 and isinstance(value, torch.Tensor):
        holder[key] = _odd_tensor(rng, value)
    else:
        holder[key] = _odd_value(rng)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _places(value: Any, deepest: int = 4) -> list[tuple[Any, Any]]:
    """Every (container, key) within a value."""
    if not isinstance(value, dict | list) or not deepest:
        return []
    keys = list(value) if isinstance(value, dict) else range(len(value))
    return [place for key in keys for place in [(value, key), *_places(value[key], deepest - 1)]]


def _odd_tensor(rng: Rng, tensor: torch.Tensor) -> Any:
    if tensor.numel() > 10_000:  # the expanded one below, in a file that this has changed before
        tensor = torch.ones(4)
    makers = [
        lambda: tensor[:0],
        lambda: tensor.reshape(-1),
        lambda: tensor[None],
        lambda: torch.zeros(()),
        lambda: tensor * float("nan"),
        lambda: tensor.to(_pick(rng, [torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.bool])),
        lambda: tensor.to(torch.complex64),
        lambda: tensor.to_sparse(),
        lambda: tensor.to("meta"),
        lambda: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        lambda: torch.zeros(1).expand(10**12),
        lambda: torch.zeros(1).expand(tensor.shape),
        lambda: torch.nn.Parameter(tensor),
    ]
    return _pick(rng, makers)()


def _odd_value(rng: Rng) -> Any:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    return _pick(rng, [
        None, True, -1, 0, 1, 2, 2**31, 2**70, 100_000, 1.5, float("nan"), float("inf"), "", "\n", "x" * 1000, b"\xff",
        "tiny", "resnet20", "compression = 3", [], {}, (), set(), [1.0], [0.5, "x"], [32, 32], [2**40, 1], ["a", "b"],
        deep, torch.Size([1]), torch.float32, torch.zeros(3), {"num_classes": 0}, {"num_classes": 10**9}, {1: 2},
    ])  # fmt: skip


def _pick(rng: Rng, items: Any) -> Any:
    return items[int(rng.integers(len(items)))]
