"""Pruning after training, as PatDNN does it (ASPLOS'20): ADMM pulls trained weights towards pruned ones.

Three trainings follow each other: dense, ADMM, and fine-tuning under the masks that ADMM ends with (`Masked` in
`peers.py`). This is the second.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cct.passes.module.importance import magnitude
from cct.passes.module.plan_masks import plan_masks
from cct.passes.module.prunable import prunable
from cct.recipe.recipe import Recipe

# Of the penalty, at the start and at the end; it grows by the same factor every time. So far that W reaches Z in runs
# of 2 epochs, though the learning rate falls to 0 meanwhile.
RHO = 0.1, 10.0
UPDATES = 12  # of Z and U in a run: one an epoch would leave short runs two looks


class Admm:
    """Minimize loss + rho/2 |W - Z + U|^2 in turns with Z = pruned(W + U), U += W - Z.

    Args:
        module: changed.
        recipe: gives compression, block, and what else masks follow from.
        steps: of the training.
    """

    cut = False

    def __init__(self, module: nn.Module, recipe: Recipe, steps: int) -> None:
        self._recipe, self._stride = recipe, max(1, steps // UPDATES)
        names = [name for name, why in prunable(module).items() if why is None]
        self._weights = {name: module.get_parameter(f"{name}.weight") for name in names}
        self._total = sum(weight.numel() for weight in self._weights.values())
        self._plan = plan_masks(self._scores(self._weights), dict.fromkeys(names, 1), recipe)
        self._U = {name: torch.zeros_like(weight, requires_grad=False) for name, weight in self._weights.items()}
        self._done, self._rho = 0, RHO[0]
        self._growth = (RHO[1] / RHO[0]) ** (1 / UPDATES)
        self._Z = self._pruned()
        self.compression = 1.0

    def penalty(self) -> Tensor:
        """To add to the loss."""
        terms = [(w - self._Z[name] + self._U[name]).square().sum() for name, w in self._weights.items()]
        return self._rho / 2 * torch.stack(terms).sum()

    @torch.no_grad()
    def step(self) -> None:
        """After each step of the optimizer."""
        self._done += 1
        if self._done % self._stride == 0:
            self._Z = self._pruned()
            for name, weight in self._weights.items():
                self._U[name] += weight - self._Z[name]
                self._U[name] /= self._growth  # U is scaled by 1 / rho
            self._rho *= self._growth

    @torch.no_grad()
    def finish(self) -> None:
        """Prune."""
        for name, mask in self._masks(self._weights).items():
            self._weights[name] *= mask
        kept = sum(int(weight.count_nonzero()) for weight in self._weights.values())
        self.compression = self._total / kept

    def _pruned(self) -> dict[str, Tensor]:
        """W + U, as near as its pruned form comes."""
        wanted = {name: weight.detach() + self._U[name] for name, weight in self._weights.items()}
        masks = self._masks(wanted)
        return {name: weight * masks[name] for name, weight in wanted.items()}

    def _masks(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        scores = self._scores(weights)
        patterns = self._plan.patterns(scores)
        budget = round(self._total / self._recipe.compression)
        kept = self._plan.connectivity(scores, patterns, budget, self._recipe)
        masks = self._plan.masks(patterns, kept)
        return {name: masks[name].view_as(weight) for name, weight in weights.items()}

    @staticmethod
    def _scores(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: magnitude(weight).flatten(2) for name, weight in weights.items()}
