"""`--arch` and `--arch-arg` -> nn.Module."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from cct.errors import CheckpointError
from cct.models import MODELS
from cct.user_code import call, find

_LARGEST_ARGUMENT = 100_000
# Packages whose factories can load weights from the network, and what keeps them from it.
_DOWNLOADERS = ("torchvision", "timm")
_OFFLINE = {"weights": None, "weights_backbone": None, "pretrained": False, "pretrained_backbone": False}


@dataclass(frozen=True)
class Network:
    """A network with weights that mean nothing yet.

    Attributes:
        module: float32, on the CPU.
        key: in `MODELS`, None if the factory is other code.
        arguments: of the factory.
        takes: names of the arguments that the factory takes; a last "**" if it takes any.
    """

    module: nn.Module
    key: str | None
    arguments: Mapping[str, Any]
    takes: tuple[str, ...] = ()


def build_network(arch: str, arguments: Mapping[str, Any]) -> Network:
    """Call the factory that the command line names. Nothing is downloaded.

    Raises:
        CheckpointError: there is no such factory, it does not take the arguments, raised, or made something else.
    """
    factory = find(arch, "--arch", CheckpointError)
    key = next((key for key, known in MODELS.items() if known is factory), None)
    parameters = _parameters(factory)
    if key is not None:
        given = ", ".join(f"{name}={value}" for name, value in arguments.items())
        check_arguments(arguments, f"--arch-arg {given}: {key}")
    offline = {}
    if getattr(factory, "__module__", "").partition(".")[0] in _DOWNLOADERS:
        for name, off in _OFFLINE.items():
            if arguments.get(name, off) != off:
                raise CheckpointError(f"--arch-arg {name}: leave it out; the weights come from MODEL, not from the net")
            if name in parameters:
                offline[name] = off
        if ":" in str(arguments.get("model_name", "")):
            raise CheckpointError("--arch-arg model_name: nothing is downloaded; name a network that timm has built in")
    module = call(factory, {**arguments, **offline}, f"--arch {arch}", CheckpointError)
    if not isinstance(module, nn.Module):
        raise CheckpointError(f"--arch {arch} gave a {type(module).__name__}, not an nn.Module")
    if any(is_lazy(tensor) for tensor in [*module.parameters(), *module.buffers()]):
        raise CheckpointError(f"--arch {arch} has lazy layers: give each layer its number of input channels")
    takes = ["**" if p.kind is p.VAR_KEYWORD else name for name, p in parameters.items()]
    return Network(module.float(), key, dict(arguments), tuple(takes))


def build_known(key: str, arguments: Mapping[str, int]) -> Network:
    """Build a network of `MODELS`; the arguments have been checked."""
    return Network(MODELS[key](**arguments), key, dict(arguments), tuple(_parameters(MODELS[key])))


def check_arguments(arguments: object, who: str) -> None:
    """Check arguments of a network of `MODELS`.

    Raises:
        CheckpointError: they are not what it takes.
    """
    plain = isinstance(arguments, dict) and set(arguments) <= {"num_classes", "in_channels"}
    if not plain or not all(type(v) is int and 1 <= v <= _LARGEST_ARGUMENT for v in arguments.values()):  # type: ignore[attr-defined]
        raise CheckpointError(f"{who} takes num_classes and in_channels alone, whole numbers up to {_LARGEST_ARGUMENT}")


def _parameters(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some callables of C have none
        return {}
