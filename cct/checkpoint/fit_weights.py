"""Weights into the network, or why they do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cct.checkpoint.build_network import Network
from cct.errors import CheckpointError
from cct.messages import first_line, printable, some

_AVERAGES = "n_averaged"  # beside the weights in a state_dict of torch.optim.swa_utils.AveragedModel
_COMPILED = "_orig_mod."  # torch.compile's prefix of whatever it compiled


def fit_weights(path: Path, network: Network, weights: Mapping[str, Tensor]) -> None:
    """Put the weights into the network as float32, after checking that they are its.

    Raises:
        CheckpointError: names and shapes are not the network's, or values are not finite.
    """
    wanted = {name: tensor for name, tensor in network.module.state_dict().items() if isinstance(tensor, Tensor)}
    given = _bare(weights, wanted)
    if network.arguments.get("aux_logits") is False:
        given = {name: tensor for name, tensor in given.items() if name in wanted or not _is_auxiliary(name)}
    _check_names(path, network, given, wanted)
    for name, tensor in given.items():
        odd = tensor.is_nested or tensor.is_complex() or tensor.is_quantized or tensor.is_meta
        if odd or tensor.layout != torch.strided:
            raise CheckpointError(f"{path}: {name} is no plain dense tensor")
        if tensor.is_floating_point() < wanted[name].is_floating_point():
            kind = _kind(tensor)
            raise CheckpointError(f"{path}: {name} is {kind}, quantized perhaps: give the weights as floating point")
    _check_shapes(path, network, given, wanted)
    converted = {name: _convert(path, name, tensor, wanted[name].dtype) for name, tensor in given.items()}
    _check_values(path, converted)
    network.module.load_state_dict(converted, strict=False)


def check_module(path: Path, module: nn.Module) -> nn.Module:
    """A whole module out of a trusted pickle, as float32 on the CPU, in eval mode.

    Raises:
        CheckpointError: it cannot be used, or its values are not finite.
    """
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        module = module.module
    try:
        module = module.cpu().float().eval()
        values = {name: tensor for name, tensor in module.state_dict().items() if isinstance(tensor, Tensor)}
    except Exception as error:  # it is code of another time, perhaps for another version of PyTorch
        kind = f"{type(error).__name__}: {first_line(error)}"
        raise CheckpointError(f"{path} holds a module that cannot be used ({kind}): save model.state_dict()") from error
    if not any(True for _ in module.parameters()):
        raise CheckpointError(f"{path} holds a module without weights: give a trained network")
    _check_values(path, values)
    return module


def _convert(path: Path, name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    try:
        return tensor.to(dtype)
    except RuntimeError as error:  # of some types, such as 4 bits, PyTorch can do no more than keep them
        what = f"is {_kind(tensor)}, which PyTorch does not convert: give the weights as float32"
        raise CheckpointError(f"{path}: {name} {what}") from error


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _bare(weights: Mapping[str, Tensor], wanted: Mapping[str, Any]) -> dict[str, Tensor]:
    """Take off what wrappers put before all names: `module.` (DataParallel), `_orig_mod.`, `model.` (Lightning)."""
    given = {name: tensor for name, tensor in weights.items() if name != _AVERAGES or name in wanted}
    if not any(_COMPILED in name for name in wanted):
        given = {name.replace(_COMPILED, ""): tensor for name, tensor in given.items()}
    bare = given
    while bare and not any(name in wanted for name in bare):
        firsts = {name.partition(".")[0] for name in bare}
        if len(firsts) > 1 or not all("." in name for name in bare):
            return given
        bare = {name.partition(".")[2]: tensor for name, tensor in bare.items()}
    return bare


def _check_names(path: Path, network: Network, given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    # Checkpoints from before PyTorch 0.4.1 lack these counters, which no answer depends on.
    missing = [name for name in wanted if name not in given and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in given if name not in wanted]
    if not missing and not unexpected:
        return
    if not unexpected and all(map(_is_auxiliary, missing)) and hasattr(network.module, "aux_logits"):
        raise CheckpointError(f"{path} has no auxiliary classifiers: add --arch-arg aux_logits=False")
    faults = [f"lacks {some(missing)}"] if missing else []
    faults += [f"has {some(unexpected)} too many"] if unexpected else []
    raise CheckpointError(f"{path} does not fit the network: it {' and '.join(faults)}; check --arch and --arch-arg")


def _check_shapes(path: Path, network: Network, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    wrong = [name for name, tensor in given.items() if tensor.shape != wanted[name].shape]
    if not wrong:
        return
    counts = {(given[name].shape[:1], wanted[name].shape[:1]) for name in wrong}
    same = all(given[name].shape[1:] == wanted[name].shape[1:] and given[name].ndim for name in wrong)
    last = list(wanted)[-1].rpartition(".")[0]  # the classifier, in every network that is written in order
    if same and len(counts) == 1 and any(name.startswith(f"{last}.") for name in wrong):
        ((file,), (own,)) = counts.pop()
        advice = _class_argument(network, file)
        raise CheckpointError(f"{path} has {file} classes ({wrong[0]}), the network {own}: {advice}")
    shapes = f"{list(given[wrong[0]].shape)}, the network wants {list(wanted[wrong[0]].shape)}"
    raise CheckpointError(f"{path}: {wrong[0]} has the shape {shapes}; check --arch and --arch-arg")


def _class_argument(network: Network, count: int) -> str:
    """How to tell the factory the number of classes."""
    named = [name for name in network.takes if "class" in name or name == "num_labels"]
    if "num_classes" in named or (not named and "**" in network.takes):
        named = ["num_classes"]
    return f"add --arch-arg {named[0]}={count}" if named else f"name a factory in --arch that makes {count}"


def _is_auxiliary(name: str) -> bool:
    """Whether a weight is of a classifier that torchvision's googlenet and inception_v3 have for training alone."""
    return name.partition(".")[0] in ("aux1", "aux2", "AuxLogits")


def _check_values(path: Path, weights: Mapping[str, Tensor]) -> None:
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{path}: {printable(name)} holds NaN or infinity: the training that made it diverged"
            )
