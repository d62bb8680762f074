"""A pruned network in a file of the user's own, and the commands within this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.networks.foreign import UNet
from benchmarks.networks.masks import prune_prunable_at_random
from cct.cli.main import main

NET = """
import torch
from torch import nn
from benchmarks.networks.foreign import UNet as unet

def small():
    return nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Conv2d(64, 8, 1))

def noisy():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
        def forward(self, x):
            return self.conv(x) + torch.rand_like(self.conv(x))
    return Noisy()

def branching():
    class Branching(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) if x.sum() > 0 else -x
    return Branching(3, 4, 3)

def several():
    class Several(nn.Conv2d):
        def forward(self, x):
            y = super().forward(x)
            return {"mask": y, "mean": y.mean((2, 3))}
    return Several(3, 4, 3)

def infinite():
    class Infinite(nn.Conv2d):
        def forward(self, x):
            return super().forward(x) / 0
    return Infinite(3, 4, 3)

def flat():
    return nn.Linear(3, 4)
"""


@pytest.fixture(scope="session")
def pruned(tmp_path_factory) -> Path:
    """A folder with net.py, and unet.pt and small.pt: the weights of two of its networks, pruned about 4x."""
    folder = tmp_path_factory.mktemp("pruned")
    (folder / "net.py").write_text(NET)
    torch.manual_seed(0)
    small = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Conv2d(64, 8, 1))
    for name, module in (("unet", UNet()), ("small", small)):
        prune_prunable_at_random(module, (4, 1), 4.0)
        torch.save(module.state_dict(), folder / f"{name}.pt")
    return folder


@pytest.fixture
def call(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process: its exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return int(done.value.code or 0), written.out, written.err

    return run
