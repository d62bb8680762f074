"""ROOFLINE: the least time by published peaks alone, whatever the kernel: arithmetic, and each tensor moved once."""

from __future__ import annotations

from benchmarks.gpu.gpus import Gpu
from benchmarks.gpu.layers import Layer


def seconds(gpu: Gpu, layer: Layer, batch: int, reduction: float) -> float:
    """Of one convolution."""
    return max(*bounds(gpu, layer, batch, reduction))


def bounds(gpu: Gpu, layer: Layer, batch: int, reduction: float) -> tuple[float, float]:
    """Seconds of arithmetic and of memory."""
    moved = layer.read(batch) + layer.added(batch) + layer.written(batch) + layer.weight_bytes(reduction)
    return layer.flops(batch, reduction) / gpu.peak(layer.number), moved / gpu.memory
