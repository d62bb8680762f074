"""Which part of a training checkpoint holds the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cct.errors import CheckpointError
from cct.messages import printable, some

_DEEPEST = 3  # dictionaries around the weights
_SHOWN = 10  # keys in an error

StateDict = dict[str, Tensor]


def find_weights(path: Path, raw: Any, key: str | None) -> StateDict | nn.Module:
    """The state_dict in whatever a file holds, or the module, if the user trusts the file.

    Args:
        path: for the message.
        raw: what the file holds.
        key: where to look, with dots between the keys of nested dictionaries; None takes what lies least deep.

    Raises:
        CheckpointError: there is none, or several and no key; says which keys there are.
    """
    if not isinstance(raw, dict | nn.Module):
        raise CheckpointError(f"{path} holds a {type(raw).__name__}, not a state_dict: save model.state_dict()")
    levels = _levels(raw)
    every = {name: found for level in levels for name, found in level.items()}
    if key is not None:
        if key not in every:
            there = some(filter(None, every), _SHOWN) or "none: leave out --key"
            raise CheckpointError(f"{path} has no weights under {key!r}; it has {there}")
        return every[key]
    if not every:
        keys = some(dict.keys(raw)) if isinstance(raw, dict) else ""
        raise CheckpointError(f"{path} holds no state_dict; its keys are {keys or 'none'}")
    first = next(level for level in levels if level)
    if len(first) > 1:
        raise CheckpointError(f"{path} holds several state_dicts: choose one with --key, of {some(first, _SHOWN)}")
    return next(iter(first.values()))


def as_weights(value: object) -> StateDict | None:
    """A plain copy of a state_dict, None if this is none.

    The methods are called by their class, since an object out of a pickle may carry attributes that hide them.
    """
    if not isinstance(value, dict) or not dict.__len__(value):
        return None
    weights = {}
    for name, tensor in dict.items(value):
        if type(name) is not str or type(tensor) not in (Tensor, nn.Parameter):
            return None
        weights[name] = Tensor.detach(tensor)
    return weights


def _levels(raw: object) -> list[dict[str, StateDict | nn.Module]]:
    """What holds weights, by dotted key: at the top, one dictionary down, two down ..."""
    levels: list[dict[str, StateDict | nn.Module]] = []
    seen: set[int] = set()  # a pickle can hold a dictionary twice, or in itself
    values: list[tuple[str, object]] = [("", raw)]
    for _ in range(_DEEPEST + 1):
        found: dict[str, StateDict | nn.Module] = {}
        below: list[tuple[str, object]] = []
        for name, value in values:
            weights = value if isinstance(value, nn.Module) else as_weights(value)
            if weights is not None:
                found[name] = weights
            elif isinstance(value, dict) and id(value) not in seen:
                seen.add(id(value))
                prefix = f"{name}." if name else ""
                below += [(f"{prefix}{printable(k)}", v) for k, v in dict.items(value) if type(k) in (str, int)]
        levels.append(found)
        values = below
    return levels
