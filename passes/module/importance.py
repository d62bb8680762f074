"""How much each weight matters: an object for each importance that a recipe may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from cct.errors import CctError
from cct.recipe.recipe import Recipe

Weights = Mapping[str, nn.Parameter]


class Importance(Protocol):
    """The importance of a network's weights, which may change while it trains.

    Attributes:
        steps: of training that it must observe before its scores count; 0 if the weights say it all.
        state: what it has collected, by layer; saved and loaded with the run, in place.
    """

    steps: int
    state: dict[str, Tensor]

    def observe(self) -> None:
        """Look at the gradients of one training step.

        Raises:
            CctError: there are none.
        """

    def scores(self) -> dict[str, Tensor]:
        """Now, (O, C/group, kh*kw) per layer."""


class Magnitude:
    """Squared weights, as of now."""

    def __init__(self, weights: Weights, recipe: Recipe) -> None:
        self.steps, self.state = 0, dict[str, Tensor]()
        self._weights = weights

    def observe(self) -> None:
        """Nothing to see: the weights say it all."""

    def scores(self) -> dict[str, Tensor]:
        """(O, C/group, kh*kw) per layer."""
        return {name: magnitude(weight).flatten(2) for name, weight in self._weights.items()}


class Taylor:
    """Change of the loss when a weight goes, summed over the first steps (ClickTrain)."""

    def __init__(self, weights: Weights, recipe: Recipe) -> None:
        self.steps = recipe.importance_batches
        self.state = {name: torch.zeros_like(weight, requires_grad=False) for name, weight in weights.items()}
        self._weights = weights

    def observe(self) -> None:
        """Add a step's gradients."""
        for name, weight in self._weights.items():
            if weight.grad is None:
                raise CctError(f"{name} has no gradient: call step() after optimizer.step(), before zero_grad()")
            self.state[name] += taylor(weight, weight.grad)

    def scores(self) -> dict[str, Tensor]:
        """As summed, (O, C/group, kh*kw) per layer."""
        return {name: total.flatten(2) for name, total in self.state.items()}


IMPORTANCES: dict[str, Callable[[Weights, Recipe], Importance]] = {"magnitude": Magnitude, "taylor": Taylor}


def magnitude(weight: Tensor) -> Tensor:
    """Squared weight; same shape."""
    return weight.detach().square()


def taylor(weight: Tensor, gradient: Tensor) -> Tensor:
    """First-order change of the loss when the weight goes, squared: (w * dL/dw)^2; same shape (ClickTrain)."""
    return (weight.detach() * gradient.detach()).square()
