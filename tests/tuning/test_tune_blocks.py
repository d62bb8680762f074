"""`--block auto` on a network that is measured here; what the times are is not asked."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cct.errors import UnsupportedModel
from cct.recipe.recipe import Recipe
from cct.tuning.tune_blocks import tune_blocks

pytestmark = pytest.mark.usefixtures("one_thread")


class Narrow(nn.Module):
    """A stem, two and many output channels per group, and a layer that blocks of any size leave dense."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.narrow = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.wide = nn.Conv2d(8, 32, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.wide(torch.relu(self.narrow(torch.relu(self.stem(x))))).mean((2, 3)))


def test_only_blocks_that_the_channels_fill_are_measured() -> None:
    torch.manual_seed(0)
    module, example = Narrow(), torch.zeros(1, 3, 8, 8)
    choice = tune_blocks(module, example, Recipe(blocks=("gone=2x1",)))
    measured = {layer.name: list(layer.milliseconds) for layer in choice.layers}
    assert measured == {"narrow": ["1x1", "2x1"], "wide": ["1x1", "2x1", "4x1", "8x1"]}
    assert choice.block == "4x1"
    assert all(len(ms) == len(choice.threads) for layer in choice.layers for ms in layer.milliseconds.values())
    recipe = choice.applied_to(Recipe())
    for layer in choice.layers:
        assert recipe.block_of(layer.name) == tuple(map(int, layer.block.split("x")))


def test_a_compression_that_no_block_reaches_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match=r"compression 500 cannot be reached with blocks of 1x1"):
        tune_blocks(Narrow(), torch.zeros(1, 3, 8, 8), Recipe(compression=500))
