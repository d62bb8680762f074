"""The estimates' copy of the library's rule, against what the library launches on the driver of the tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.gpu.budget import Costs, Work, chosen
from benchmarks.gpu.gpus import GPUS
from benchmarks.gpu.layers import NETWORKS
from benchmarks.gpu.loops import SlabCost
from tests.native.cuda.device_cases import Spec
from tests.native.cuda.host import DEVICES, Gpu, conv_of
from tests.native.cuda.launch import TILES
from tests.native.cuda.slabs import Geometry

COSTS = Costs({name: SlabCost(tile, 1, 1, 1) for name, tile in TILES.items()}, {})
REDUCTION = 2.25  # what a pattern of 4 leaves of 9; of 1x1 as many blocks


def conv_like(gpu, layer, number):
    """The layer's convolution in blocks of 64x8 with patterns of their own, so that no tile of 128 pays."""
    kind = "float16" if number == "float16" else "float32"
    pads = (layer.window // 2,) * 4
    window = {"window": (1, 1), "entries": 1, "keep": 1 / REDUCTION} if layer.window == 1 else {}
    geometry = Geometry((layer.stride, layer.stride), pads)
    case = Spec(kind, (1, layer.in_channels, 8, 8), layer.out_channels, geometry=geometry, **window).draw()
    return conv_of(gpu, case, DEVICES["8.0"]), case.x.dtype


@pytest.mark.parametrize("number", ["float16", "tf32"])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_estimates_take_the_kernels_of_the_library(cuda_library, mock_driver, monkeypatch, network, number):
    monkeypatch.setenv("CCT_MOCK_RUN", "0")
    gpu = Gpu(cuda_library, mock_driver)
    for layer in NETWORKS[network]:
        conv, dtype = conv_like(gpu, layer, number)
        for batch in (1, 8):
            gpu.launches()
            conv.run(np.zeros((batch, layer.in_channels, layer.size, layer.size), dtype))
            (launched,) = (each for each in gpu.launches() if each.kernel in TILES)
            plan = chosen(GPUS["A100"], COSTS, Work(replace(layer, number=number), batch, REDUCTION))
            assert (launched.kernel, launched.grid[0]) == (plan.cost.tile.kernel, plan.blocks), (str(layer), batch)
