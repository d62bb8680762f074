"""What a training saves after each epoch, and `cct compress --resume` continues from."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import archive
import torch
from torch import nn

from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.training.resume_state import Epoch, StateFile, TrainingState

FOLDER = Path(tempfile.mkdtemp())
RUN = {"epochs": "3", "network": "tiny"}
STEPS = 1000


class Begun:
    """A training that may be continued."""

    def __init__(self, recipe: Recipe) -> None:
        self.module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 8, 3))
        self.optimizer = torch.optim.SGD(self.module.parameters(), lr=0.01, momentum=0.9)
        self.pruner = ClickTrain(self.module, recipe, STEPS)

    def step(self) -> None:
        """What follows once the state is accepted: it must do for that."""
        self.optimizer.zero_grad()
        (self.module(torch.ones(2, 1, 9, 9)).square().mean() + self.pruner.penalty()).backward()
        self.optimizer.step()
        self.pruner.step()

    def state(self, history: list[Epoch]) -> TrainingState:
        """As `StateFile` takes it."""
        return TrainingState(self.module, self.optimizer, torch.Generator(), self.pruner, history)


MAGNITUDE = Recipe(compression=3, epochs=3)
RECIPES = {"magnitude": MAGNITUDE, "taylor": replace(MAGNITUDE, importance="taylor", choose_at=0.5, cut_at=0.7)}
BEGUN = {name: Begun(recipe) for name, recipe in RECIPES.items()}


def seeds() -> Iterator[bytes]:
    """A state of each training after a step, and one of no training at all."""
    for name, begun in BEGUN.items():
        begun.step()
        path = FOLDER / f"{name}.pt"
        path.unlink(missing_ok=True)
        StateFile(path, RUN).save(begun.state([Epoch(1.5, 0.1)]))
        yield path.read_bytes()
    buffer = io.BytesIO()
    torch.save({"cct_training": 1}, buffer)
    yield buffer.getvalue()


def read_magnitude(data: bytes) -> None:
    """By the default recipe, whose pruning is planned at once."""
    _continue("magnitude", data)


def read_taylor(data: bytes) -> None:
    """By a recipe that is still gathering importances."""
    _continue("taylor", data)


def _continue(name: str, data: bytes) -> None:
    path = FOLDER / "state.pt"
    path.write_bytes(data)
    begun = BEGUN[name]
    StateFile(path, RUN).load(begun.state([]))
    begun.step()


READ = (read_magnitude, read_taylor)
mutate = archive.mutate
