"""Other ways to prune, in the place of ClickTrain: the same loop, data, schedule and length trains all of them."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from benchmarks.accuracy.admm import Admm
from benchmarks.engines.environments import NoEnvironment, python_of
from cct.passes.module.prunable import prunable
from cct.recipe.recipe import Recipe

ENVIRONMENTS = Path("build/peers")
CHANNEL_ROUNDS = 5  # in which Torch-Pruning takes channels away, as its examples do


class Pruner:
    """What `fine_tune` asks of a pruner; this one does nothing."""

    cut = True  # whether all is gone that goes
    compression = 1.0  # weights, or MACs, over what is left

    def penalty(self) -> Tensor:
        """To add to the loss."""
        return torch.zeros(())

    def step(self) -> None:
        """After each step of the optimizer."""

    def finish(self) -> None:
        """After the last."""


class Unstructured(Pruner):
    """Gradual magnitude pruning of single weights (Zhu & Gupta 2018) with torch.nn.utils.prune, one ranking over all.

    Args:
        module: changed; `fine_tune` trains it.
        recipe: gives compression and `cut_at`.
        steps: of the training.
    """

    def __init__(self, module: nn.Module, recipe: Recipe, steps: int) -> None:
        layers = [module.get_submodule(name) for name, why in prunable(module).items() if why is None]
        self._weights = [(layer, "weight") for layer in layers]
        self._total = sum(layer.weight.numel() for layer in layers)
        self._goal = 1 - 1 / recipe.compression
        self._cut_step = max(1, round(recipe.cut_at * steps))
        self._stride = max(1, self._cut_step // 64)
        self._done = 0
        self.cut = False
        for layer in layers:
            prune.identity(layer, "weight")

    def step(self) -> None:
        """Take away what the ramp has no more room for."""
        self._done += 1
        self.cut = self._done >= self._cut_step
        if self._done <= self._cut_step and (self._done % self._stride == 0 or self.cut):
            gone = round(self._total * self._goal * (1 - (1 - self._done / self._cut_step) ** 3))
            gone -= sum(int((layer.weight_mask == 0).sum()) for layer, _ in self._weights)
            self._set_format(torch.contiguous_format)  # torch ranks no other
            scores = {(layer, name): layer.weight_orig.detach().abs().contiguous() for layer, name in self._weights}
            prune.global_unstructured(self._weights, prune.L1Unstructured, scores, amount=gone)
            self._set_format(torch.channels_last)

    def _set_format(self, memory_format: torch.memory_format) -> None:
        for layer, _ in self._weights:
            layer.weight_mask = layer.weight_mask.contiguous(memory_format=memory_format)

    def finish(self) -> None:
        """Make the masks the weights."""
        for layer, name in self._weights:
            prune.remove(layer, name)
        self.compression = self._total / sum(int((layer.weight != 0).sum()) for layer, _ in self._weights)


class Masked(Pruner):
    """Fine-tuning of what is pruned already: zeros stay zeros.

    Args:
        module: changed.
        recipe: not looked at.
        steps: likewise.
    """

    def __init__(self, module: nn.Module, recipe: Recipe, steps: int) -> None:
        self._weights = [module.get_parameter(f"{name}.weight") for name, why in prunable(module).items() if not why]
        self._masks = [(weight != 0).to(weight) for weight in self._weights]
        kept = sum(int(mask.sum()) for mask in self._masks)
        self.compression = sum(mask.numel() for mask in self._masks) / kept

    @torch.no_grad()
    def step(self) -> None:
        """Keep the zeros."""
        torch._foreach_mul_(self._weights, self._masks)


class Channels(Pruner):
    """Whole channels by the norms of their groups, with Torch-Pruning, at the start of the training.

    Only inside of the residual blocks: the shortcuts of ResNet-20 pad with channels of zeros, which ties the channels
    outside together in a way that Torch-Pruning does not see.

    Args:
        module: changed.
        recipe: its compression is MACs / MACs that are left; channels are rounded to 4, for the sake of latency.
        steps: not looked at.
    """

    def __init__(self, module: nn.Module, recipe: Recipe, steps: int) -> None:
        try:
            python = python_of("torch-pruning", ENVIRONMENTS)
        except NoEnvironment as error:
            raise click.ClickException(f"Torch-Pruning can't be had here: {error}") from error
        site = python.parent.parent.glob("lib/python*/site-packages")
        sys.path.append(str(next(iter(site))))
        import torch_pruning

        example = torch.zeros(1, 3, 32, 32)
        dense, _ = torch_pruning.utils.count_ops_and_params(module, example)
        low, high = 0.0, 0.95
        for _ in range(8):  # its ratio is of channels; MACs are what is asked for
            ratio = (low + high) / 2
            left = self._macs(torch_pruning, copy.deepcopy(module), example, ratio)
            low, high = (ratio, high) if dense / left < recipe.compression else (low, ratio)
        self.compression = dense / self._macs(torch_pruning, module, example, high)

    @staticmethod
    def _macs(torch_pruning: Any, module: nn.Module, example: Tensor, ratio: float) -> float:
        """Prune; the MACs that are left."""
        module.eval()
        pruner = torch_pruning.pruner.BasePruner(
            module,
            example,
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            global_pruning=True,
            pruning_ratio=ratio,
            max_pruning_ratio=0.9,
            iterative_steps=CHANNEL_ROUNDS,
            round_to=4,
            ignored_layers=[
                part
                for name, part in module.named_modules()
                if isinstance(part, nn.Conv2d | nn.Linear) and not name.endswith(".conv1")
            ],
        )
        for _ in range(CHANNEL_ROUNDS):
            pruner.step()
        return float(torch_pruning.utils.count_ops_and_params(module, example)[0])


PEERS: dict[str, Callable[[nn.Module, Recipe, int], Any]] = {
    "unstructured": Unstructured,
    "channels": Channels,
    "admm": Admm,
    "masked": Masked,
}
