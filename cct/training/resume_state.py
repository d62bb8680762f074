"""Where a training stands after an epoch: saved to a file, and continued as if nothing had happened.

The file is a dictionary of tensors, numbers and text, read as a checkpoint is: nothing in it runs:

    cct_training   1, the version
    run            what tells this run from others, each thing as text
    history        [loss, seconds] of each epoch
    tensors        parameters and buffers of the network, by name
    momentum       of SGD, by the name of the parameter
    random         the state of each random generator
    pruner         ClickTrain.state_dict(), None if nothing is pruned
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cct.atomic_files import write
from cct.checkpoint.read_file import read_file
from cct.errors import CheckpointError, StateError
from cct.messages import printable
from cct.pruning.clicktrain import ClickTrain
from cct.pruning.plan_state import is_plain
from cct.training.run_identity import difference

VERSION = 1
_PARTS = {"cct_training", "run", "history", "tensors", "momentum", "random", "pruner"}


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images came to.

    Attributes:
        loss: mean over the steps.
        seconds: time that it took.
    """

    loss: float
    seconds: float


@dataclass(frozen=True)
class TrainingState:
    """All that changes while a network is trained.

    Attributes:
        module: the network, on the device of the training.
        optimizer: SGD on its parameters.
        generator: of order, crops and flips of the images.
        pruner: None if nothing is pruned.
        history: epochs that are done.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    pruner: ClickTrain | None
    history: list[Epoch]


class StateFile:
    """The file that a training is saved to after each epoch, and continued from.

    Args:
        path: of the file; where there is one, it is read at once.
        run: what tells this run from others, as `run_identity` gives it.

    Raises:
        StateError: the file is damaged, or another run's; says in what they differ.
    """

    def __init__(self, path: Path, run: Mapping[str, str]) -> None:
        self.path, self.run = path, dict(run)
        self._content = self._read() if path.exists() else None

    def save(self, training: TrainingState) -> None:
        """Write the file, whole or not at all.

        Raises:
            CctError: it can't be written; what was there is still there.
        """
        content = {
            "cct_training": VERSION,
            "run": self.run,
            "history": [[epoch.loss, epoch.seconds] for epoch in training.history],
            "tensors": {name: tensor.detach().cpu() for name, tensor in _tensors(training.module).items()},
            "momentum": _momentum(training),
            "random": {name: get().cpu() for name, (get, _) in _generators(training).items()},
            "pruner": None if training.pruner is None else training.pruner.state_dict(),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write(self.path, buffer.getvalue())

    def load(self, training: TrainingState) -> None:
        """Bring the training to where it was when it was saved, history included; nothing to do without a file.

        Raises:
            StateError: the state does not fit the training.
        """
        if self._content is None:
            return
        content, self._content = self._content, None
        wanted = _tensors(training.module)
        self._check(_fit(content["tensors"], wanted) and len(content["tensors"]) == len(wanted), "its weights")
        parameters = dict(training.module.named_parameters())
        self._check(_fit(content["momentum"], parameters), "its momentum")
        generators = _generators(training)
        self._check(isinstance(content["random"], dict) and set(content["random"]) == set(generators), "its randomness")
        self._check((content["pruner"] is None) == (training.pruner is None), "its pruning")
        try:
            for name, (_, put) in generators.items():
                put(content["random"][name])
        except (RuntimeError, TypeError, AttributeError) as error:
            raise self._error("its randomness does not fit") from error
        if training.pruner is not None:
            try:
                training.pruner.load_state_dict(content["pruner"])
            except StateError as error:
                raise self._error(str(error)) from error
        with torch.no_grad():
            for name, tensor in wanted.items():
                tensor.copy_(content["tensors"][name])
            for name, momentum in content["momentum"].items():
                like = torch.empty_like(parameters[name], requires_grad=False).copy_(momentum)
                training.optimizer.state[parameters[name]] = {"momentum_buffer": like}
        training.history.extend(Epoch(*epoch) for epoch in content["history"])

    def remove(self) -> None:
        """Forget what was saved: a run that failed for good is not to be continued."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            content, _ = read_file(self.path, trust_pickle=False)
        except CheckpointError as error:
            raise self._error("it is damaged") from error
        if not isinstance(content, dict) or type(content.get("cct_training")) is not int:
            raise self._error("it is damaged")
        self._check(content["cct_training"] == VERSION, f"its version {printable(content['cct_training'])}")
        self._check(set(content) == _PARTS, "its parts")
        run, history = content["run"], content["history"]
        texts = isinstance(run, dict) and all(type(k) is str and type(v) is str for k, v in run.items())
        self._check(texts, "its description of the run")
        other = difference(self.run, run)
        if other is not None:
            raise StateError(
                f"{self.path} is of another run ({other}): give the same options, or delete {self.path.parent}"
            )
        numbers = isinstance(history, list) and all(
            isinstance(epoch, list) and len(epoch) == 2 and all(type(v) is float and math.isfinite(v) for v in epoch)
            for epoch in history
        )
        self._check(numbers and 1 <= len(history) <= int(self.run.get("epochs", len(history))), "its history")
        return content

    def _check(self, fits: bool, what: str) -> None:
        if not fits:
            raise self._error(f"{what} can't be right")

    def _error(self, fault: str) -> StateError:
        return StateError(f"{self.path} can't be continued, {fault}: delete {self.path.parent} to start anew")


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and all buffers, those too that a state_dict leaves out."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def _momentum(training: TrainingState) -> dict[str, Tensor]:
    """What SGD keeps; nothing for a parameter that never had a gradient."""
    states = {name: training.optimizer.state.get(p, {}) for name, p in training.module.named_parameters()}
    found = {name: state.get("momentum_buffer") for name, state in states.items()}
    return {name: momentum.detach().cpu() for name, momentum in found.items() if momentum is not None}


def _fit(found: Any, wanted: Mapping[str, Tensor]) -> bool:
    """Whether all tensors are of the module, in type and shape."""
    return isinstance(found, dict) and all(
        name in wanted and is_plain(tensor, wanted[name].dtype, wanted[name].shape) for name, tensor in found.items()
    )


_Generator = tuple[Callable[[], Tensor], Callable[[Tensor], object]]


def _generators(training: TrainingState) -> dict[str, _Generator]:
    """How to ask and set each source of randomness."""
    device = next(training.module.parameters()).device
    found: dict[str, _Generator] = {
        "torch": (torch.get_rng_state, torch.set_rng_state),
        "images": (training.generator.get_state, training.generator.set_state),
    }
    if device.type == "cuda":
        found["cuda"] = (
            lambda: torch.cuda.get_rng_state(device),
            lambda state: torch.cuda.set_rng_state(state, device),
        )
    if device.type == "mps":
        found["mps"] = (torch.mps.get_rng_state, torch.mps.set_rng_state)
    return found
