"""torchvision's ResNet-18 at 224x224 with random weights and random pattern masks: speed only, it classifies nothing.

    python -m benchmarks.networks.resnet18 [--block 4x1] [--density 0.125] [--threads 1,2]

All sixteen 3x3 convolutions are masked; the 7x7 stem and the 1x1 shortcuts stay dense. Dense is the same export with
packing off. Both run in turns in one process, batch 1.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
import torchvision

import cct
from benchmarks.networks.masks import prune_at_random
from cct.measure.interleaved import compare
from cct.measure.parity import relative_error
from cct.report.timing import Speed, speed_line
from cct.runtime.machine import machine
from cct.runtime.random_feeds import random_feeds


def main() -> None:
    """Export, check against the function body, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--block", default="4x1")
    parser.add_argument("--density", type=float, default=0.125)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    out_channels, in_channels = (int(part) for part in given.block.split("x"))
    torch.manual_seed(0)
    module = torchvision.models.resnet18().eval()
    masked = prune_at_random(module, (out_channels, in_channels), given.density)
    with tempfile.TemporaryDirectory() as folder:
        packed, dense = Path(folder) / "packed.onnx", Path(folder) / "dense.onnx"
        cct.export(module, torch.zeros(1, 3, 224, 224), packed)
        cct.export(module, torch.zeros(1, 3, 224, 224), dense, pack=False)
        sizes = [path.stat().st_size / 1e6 for path in (dense, packed)]
        with_library, without = cct.session(packed), cct.session(packed, library=False)
        feeds = random_feeds(with_library, 1, 0)
        ours, body = with_library.run(None, feeds)[0], without.run(None, feeds)[0]
        print(
            f"ResNet-18 at 224x224, {masked} convolutions with RANDOM masks, density {given.density:g}, {given.block}"
        )
        print(f"file         {sizes[0]:.1f} MB dense -> {sizes[1]:.1f} MB: {sizes[0] / sizes[1]:.2f}x")
        print(f"parity       library against function body {relative_error(ours, body):.1e}")
        for threads in map(int, given.threads.split(",")):
            times = compare({"dense": dense, "packed": packed}, threads=threads, rounds=given.rounds)
            ratio, models = times.ratios["packed"], times.models
            print(speed_line(Speed(threads, models["dense"], models["packed"], ratio, ratio.doubt)))
    print(f"machine      {machine()}")


if __name__ == "__main__":
    main()
