"""What `python -m benchmarks.speed` measures: chains, other widths, single layers with stride, networks.

Random weights, random masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torchvision.models as zoo
from torch import nn

import cct.models
from benchmarks.networks.masks import prune_at_random, prune_prunable_at_random

GROUPS = ("chains", "sweep", "widths", "strides", "networks")
LENGTH = 6  # convolutions of a chain
TUNED = ((64, 56), (128, 28), (256, 14), (512, 7))  # channels, pixels a side
OTHERS = ((32, 112), (64, 80), (128, 40), (256, 20), (384, 10), (61, 56), (131, 28), (253, 14), (509, 7))
STRIDED = ((64, 128, 56), (128, 256, 28), (256, 512, 14))  # input channels, output channels, pixels a side
EIGHTH, FOUR_NINTHS = 1 / 8, 4 / 9
SWEEP = (1 / 16, 1 / 6, 1 / 4, 1 / 3)  # the chains have the other two
BLOCKS = ((4, 1), (1, 1))


@dataclass(frozen=True)
class Case:
    """One pruned model.

    Attributes:
        group: of GROUPS.
        name: what it is, without block, density and batch.
        block, density: of the masks; the density is kept weights / weights of each masked layer, or of all of them.
        batch: images a run.
        image: channels, height and width of one.
        convolutions: by which a time is divided for "ms a convolution"; 0 for networks.
        threads: the numbers of threads that it is measured with.
        peers: whether the other engines run it too.
        make: the module, pruned.
    """

    group: str
    name: str
    block: tuple[int, int]
    density: float
    batch: int
    image: tuple[int, int, int]
    convolutions: int
    threads: tuple[int, ...]
    peers: bool
    make: Callable[[], nn.Module]

    @property
    def title(self) -> str:
        """All that tells it from the other cases."""
        return f"{self.name} {block_name(self.block)} {self.density:.4f} batch {self.batch}"


def block_name(block: tuple[int, int]) -> str:
    return f"{block[0]}x{block[1]}"


def chain(channels: int, block: tuple[int, int], density: float) -> nn.Module:
    """Six pruned convolutions, each with its ReLU."""
    torch.manual_seed(0)
    layers = [m for _ in range(LENGTH) for m in (nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())]
    return _pruned(nn.Sequential(*layers), block, density)


def strided(inputs: int, outputs: int, stride: int, block: tuple[int, int], density: float) -> nn.Module:
    """One pruned convolution with its ReLU."""
    torch.manual_seed(0)
    return _pruned(nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU()), block, density)


def network(make: Callable[[], nn.Module], block: tuple[int, int], density: float) -> nn.Module:
    """Every 3x3 convolution but the first is pruned."""
    torch.manual_seed(0)
    return _pruned(make(), block, density)


def network_with_1x1(make: Callable[[], nn.Module], block: tuple[int, int], compression: float) -> nn.Module:
    """What `cct compress` would prune, 1x1 convolutions by connectivity."""
    torch.manual_seed(0)
    module = make().eval()
    prune_prunable_at_random(module, block, compression)
    return module


def _pruned(module: nn.Module, block: tuple[int, int], density: float) -> nn.Module:
    prune_at_random(module.eval(), block, density)
    return module


NETWORKS: tuple[tuple[str, int, Callable[[], nn.Module]], ...] = (
    ("resnet18", 224, zoo.resnet18),
    ("resnet34", 224, zoo.resnet34),
    ("vgg16_bn.features", 224, lambda: zoo.vgg16_bn().features),
    ("resnet20", 32, cct.models.resnet20),
    ("vgg16", 32, cct.models.vgg16),
)
WITH_1X1: tuple[tuple[str, int, Callable[[], nn.Module]], ...] = (
    ("resnet50", 224, zoo.resnet50),
    ("mobilenet_v2", 224, zoo.mobilenet_v2),
)
BATCHES = (1, 16)
COMPRESSION = 4.0  # of WITH_1X1


def cases(
    threads: tuple[int, ...],
    shapes: tuple[tuple[int, int], ...] | None = None,
    blocks: tuple[tuple[int, int], ...] | None = None,
    densities: tuple[float, ...] | None = None,
) -> Iterator[Case]:
    """All cases in order; shapes, blocks and densities replace those of the chains."""

    def chains(
        group: str, shape: tuple[int, int], block: tuple[int, int], density: float, counts: tuple[int, ...], peers: bool
    ) -> Case:
        channels, side = shape
        return Case(
            group, f"{channels}@{side}", block, density, 1, (channels, side, side), LENGTH, counts, peers,
            lambda: chain(channels, block, density),
        )  # fmt: skip

    one = threads[:1]
    for shape in shapes or TUNED:
        for block in blocks or BLOCKS:
            for density in densities or (EIGHTH, FOUR_NINTHS):
                yield chains("chains", shape, block, density, threads, True)
    for shape in TUNED:
        for density in SWEEP:
            yield chains("sweep", shape, (4, 1), density, one, True)
    for shape in OTHERS:
        for block in BLOCKS:
            for density in (EIGHTH, FOUR_NINTHS):
                yield chains("widths", shape, block, density, one, False)
    for inputs, outputs, side in STRIDED:
        for stride in (1, 2):
            for density in (EIGHTH, FOUR_NINTHS):
                yield _strided_case(inputs, outputs, side, stride, density, one)
    for name, side, make in NETWORKS:
        for batch in BATCHES:
            yield _network_case(name, side, batch, threads, make)
    for name, side, make in WITH_1X1:
        yield _network_with_1x1_case(name, side, threads, make)


def _strided_case(inputs: int, outputs: int, side: int, stride: int, density: float, threads: tuple[int, ...]) -> Case:
    return Case(
        "strides", f"{inputs}-{outputs}@{side} stride {stride}", (4, 1), density, 1,
        (inputs, side, side), 1, threads, False,
        lambda: strided(inputs, outputs, stride, (4, 1), density),
    )  # fmt: skip


def _network_case(name: str, side: int, batch: int, threads: tuple[int, ...], make: Callable[[], nn.Module]) -> Case:
    return Case(
        "networks", f"{name}@{side}", (4, 1), EIGHTH, batch, (3, side, side), 0, threads, batch == 1,
        lambda: network(make, (4, 1), EIGHTH),
    )  # fmt: skip


def _network_with_1x1_case(name: str, side: int, threads: tuple[int, ...], make: Callable[[], nn.Module]) -> Case:
    return Case(
        "networks", f"{name}@{side}", (4, 1), 1 / COMPRESSION, 1, (3, side, side), 0, threads, True,
        lambda: network_with_1x1(make, (4, 1), COMPRESSION),
    )  # fmt: skip
