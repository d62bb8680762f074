"""Statistics of batch normalization that fit the weights as they are."""

from __future__ import annotations

from itertools import islice

import torch
from torch import nn

from cct.data.split import Data
from cct.recipe.recipe import Recipe

_BATCHES = 50


def reestimate_batchnorm(module: nn.Module, data: Data, recipe: Recipe) -> None:
    """Measure the means and variances anew, as a plain average over training batches; leaves the module in eval mode.

    Args:
        module: the network, on its device; without batch normalization nothing happens to it.
        data: its training images are taken as the training takes them.
        recipe: gives batch size and seed.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    device = next(module.parameters()).device
    module.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.no_grad():
        for images, _ in islice(data.batches("train", recipe.batch_size, generator), _BATCHES):
            module(images.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.eval()
