"""How much each layer keeps: a function for each way of allocation that a recipe may name.

A rule takes, of each block that may stay, the importance and the number of the weights that it would keep, (rows,
columns, U) per layer with U 1 for whole blocks; further the budget, the number of weights to keep in all layers
together, and the recipe. It returns True where a block stays, bool of the same shape per layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from cct.passes.module.choose_kernels import choose_kernels
from cct.recipe.recipe import Recipe

Layers = Mapping[str, Tensor]
Rule = Callable[[Layers, Layers, int, Recipe], dict[str, Tensor]]


def allocate_uniform(scores: Layers, sizes: Layers, budget: int, recipe: Recipe) -> dict[str, Tensor]:
    """The same share of every layer, to a block or two (ClickTrain)."""
    ranks = {name: -_depth(score / sizes[name], sizes[name]) for name, score in scores.items()}
    return choose_kernels(ranks, sizes, budget, floor=0.0)


def allocate_global(scores: Layers, sizes: Layers, budget: int, recipe: Recipe) -> dict[str, Tensor]:
    """What matters most per weight in the whole network, but of every layer what the recipe's floor protects."""
    density = {name: score / sizes[name] for name, score in scores.items()}
    return choose_kernels(density, sizes, budget, recipe.floor)


ALLOCATIONS: dict[str, Rule] = {"uniform": allocate_uniform, "global": allocate_global}


def _depth(density: Tensor, sizes: Tensor) -> Tensor:
    """How deep in its layer's ranking a block lies: the share of the weights that go before its middle, 0..1.

    What is gone lies 1 deeper, behind what is left of all layers. On the CPU: not every GPU has float64.
    """
    flat = density.flatten().cpu()
    order = flat.sort(descending=True, stable=True).indices
    ranked = sizes.flatten().cpu()[order]
    middle = (2 * ranked.cumsum(0) - ranked).double() / (2 * int(ranked.sum()))
    depth = torch.empty_like(middle).index_copy_(0, order, middle)
    return torch.where(flat > 0, depth, 1 + depth).view_as(density)
