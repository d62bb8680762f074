"""Chains of six 3x3 convolutions + ReLU, packed against dense, end to end in ONNX Runtime.

    python benchmarks/chains.py [--shapes 64@56,...] [--blocks 4x1,1x1] [--densities 0.125,0.4444] [--threads 1,2]

Dense is the same export with packing off, ORT_ENABLE_ALL. Both run interleaved in one process, batch 1; medians.
A quick look: `speed.py` measures these and all else with every engine in a process of its own.
CCT_ISA forces a row of the library; ONNX Runtime's dense convolution always uses what the processor has.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from speed_cases import LENGTH, chain

import cct
from cct.bench import compare, machine


def measure(
    channels: int, size: int, block: tuple[int, int], density: float, threads: list[int], rounds: int
) -> list[str]:
    """One row of the table for each number of threads."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        packed, dense = Path(folder) / "packed.onnx", Path(folder) / "dense.onnx"
        module, example = chain(channels, block, density), torch.randn(1, channels, size, size)
        layers = cct.export(module, example, packed)
        assert all(layer.block == block for layer in layers), layers
        cct.export(module, example, dense, pack=False)
        kept = sum(layer.kept for layer in layers) / sum(layer.weights for layer in layers)
        for count in threads:
            times = compare({"packed": packed, "dense": dense}, threads=count, rounds=rounds)
            ours, theirs = times["packed"].median / LENGTH, times["dense"].median / LENGTH
            rows.append(
                f"| {channels}@{size} | {block[0]}x{block[1]} | {kept:.3f} | {count} "
                f"| {theirs:.3f} | {ours:.3f} | {theirs / ours:.2f}x |"
            )
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="64@56,128@28,256@14,512@7")
    parser.add_argument("--blocks", default="4x1")
    parser.add_argument("--densities", default="0.125")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    threads = [int(t) for t in given.threads.split(",")]
    print(f"{machine()}; ms a convolution, medians of {2 * given.rounds} interleaved runs\n")
    print("| shape | block | density | threads | dense | packed | ratio |\n|---|---|---|---|---|---|---|")
    for shape in given.shapes.split(","):
        channels, size = (int(part) for part in shape.split("@"))
        for name in given.blocks.split(","):
            out_channels, in_channels = (int(part) for part in name.split("x"))
            for density in given.densities.split(","):
                rows = measure(channels, size, (out_channels, in_channels), float(density), threads, given.rounds)
                print("\n".join(rows), flush=True)


if __name__ == "__main__":
    main()
