"""Short trainings of all kinds; as a script, each process saves what they came to in the folder that is named."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from cct import ClickTrain, Recipe
from cct.data.load_data import load_data
from cct.data.split import Data
from cct.training.fine_tune import fine_tune, total_steps

Found = dict[str, dict[str, Tensor]]

PAPER = replace(Recipe.named("clicktrain-paper"), compression=3.0, epochs=2, cut_at=0.5, batch_size=32)
RECIPES = {
    "default": Recipe(epochs=2, batch_size=32),
    "paper": PAPER,
    "distilled": Recipe(epochs=2, batch_size=32, distillation=0.5, choose_at=0.3, cut_at=0.6, block=(4, 2)),
    "bf16": Recipe(epochs=2, batch_size=32, mixed_precision="bf16"),
}


class Unnormalized(nn.Module):
    """Without batch normalization, so that processes that share a batch compute what one does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, stride=4, padding=1)
        self.a = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.b = nn.Conv2d(32, 32, 3, padding=1)
        self.linear = nn.Linear(32 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.a(torch.relu(self.stem(x))))
        return torch.as_tensor(self.linear(torch.relu(self.b(x)).flatten(1)))


def unnormalized() -> Unnormalized:
    torch.manual_seed(0)
    return Unnormalized()


def digits() -> Data:
    """Augmented."""
    data = load_data("digits")
    return replace(data, augmented=True, train=replace(data.train, margin=2))


def of_cct(recipe: Recipe) -> nn.Module:
    data, module, teacher = digits(), unnormalized(), unnormalized().eval()
    fine_tune(module, data, recipe, ClickTrain(module, recipe, total_steps(data, recipe)), teacher, lambda line: None)
    return module


def of_the_users(batch_size: int, accumulate: int, importance: str) -> nn.Module:
    """A loop as the documentation shows it; `batch_size` is that of a process and of one pass."""
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    images, labels = digits().train.__getitems__(list(range(960)))
    loader = DataLoader(TensorDataset(images, labels), batch_size)
    module = unnormalized()
    optimizer = torch.optim.SGD(module.parameters(), 0.02, momentum=0.9)
    network, optimizer, loader = accelerator.prepare(module, optimizer, loader)
    recipe = Recipe(compression=4, importance=importance, cut_at=0.5)
    pruner = ClickTrain(module, recipe, total_steps=len(loader) // accumulate)
    for x, y in loader:
        with accelerator.accumulate(network):
            accelerator.backward(F.cross_entropy(network(x), y) + pruner.penalty())
            optimizer.step()
            if accelerator.sync_gradients:
                pruner.step()
            optimizer.zero_grad()
    pruner.finish()
    return module


def trainings(processes: int) -> Found:
    """All of them, with the same images a step for any number of processes."""
    found = {}
    for name, recipe in RECIPES.items():
        for parts in (1, 2) if name == "distilled" else (1,):
            module = of_cct(replace(recipe, accumulate=parts))
            found[f"{name}, {parts} parts"] = module.state_dict()
            AcceleratorState._reset_state()  # which holds the precision
    for importance in ("magnitude", "taylor"):
        for parts in (1, 2):
            module = of_the_users(32 // processes // parts, parts, importance)
            found[f"own loop, {importance}, {parts} parts"] = module.state_dict()
    return found


if __name__ == "__main__":
    torch.save(trainings(int(os.environ["WORLD_SIZE"])), Path(sys.argv[1], f"{os.environ['RANK']}.pt"))
