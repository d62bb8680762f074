"""Estimates of the CUDA kernels for two GPUs, from what nvcc makes of them: cycle budget, roofline, layouts.

    python -m benchmarks.gpu                                  # all tables, as Markdown
    python -m benchmarks.gpu --gpu A100 --network VGG-16

Needs nvcc and nvdisasm, or pip to bring them; no GPU. Every number is an estimate, none is a measurement.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.gpu.budget import Costs
from benchmarks.gpu.gpus import GPUS
from benchmarks.gpu.layers import NETWORKS
from benchmarks.gpu.loops import channel_last, slab_costs
from benchmarks.gpu.tables import HEAD, report
from tests.native.cuda.launch import TILES
from tests.native.cuda.sass import kernels
from tests.native.cuda.toolchain import NoToolchain, compile_kernels


def costs_of(architecture: str) -> Costs:
    """What a slab costs in each kernel that nvcc makes for an architecture."""
    found = kernels(compile_kernels(architecture).path)
    compiled = slab_costs(TILES, found)
    others = {name: cost for name, cost in compiled.items() if cost.tile.way == "gather"}
    for name, cost in compiled.items():
        if cost.tile.transposes and cost.tile.copy_pixels == 8 and (loop := found[name].product_loop):
            others[name] = channel_last(cost.tile, loop)
    return Costs(compiled, others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", choices=GPUS, help="all by default")
    parser.add_argument("--network", choices=NETWORKS, help="all by default")
    given = parser.parse_args()
    print(HEAD)
    for gpu in [GPUS[given.gpu]] if given.gpu else GPUS.values():
        try:
            costs = costs_of(gpu.architecture)
        except NoToolchain as reason:
            sys.exit(str(reason))
        print("\n" + report(gpu, costs, [given.network] if given.network else list(NETWORKS)))


if __name__ == "__main__":
    main()
