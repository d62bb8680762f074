"""What is published of two GPUs."""

from __future__ import annotations

from dataclasses import dataclass

SHARED_BYTES = 128  # of a multiprocessor's shared memory in a cycle
ISSUED = 4  # instructions of a multiprocessor in a cycle


@dataclass(frozen=True)
class Gpu:
    """Peaks.

    Attributes:
        architecture: that nvcc compiles for.
        clock: Hz, at boost.
        tensor: floating point operations a second, float16 with float32 sums, not sparse.
        memory: bytes a second.
        l2: bytes that the second-level cache holds.
        l2_rate: bytes a second out of it.
        mma: share of `tensor` that mma.sync reaches.
    """

    name: str
    architecture: str
    multiprocessors: int
    clock: float
    tensor: float
    memory: float
    l2: float
    l2_rate: float
    mma: float = 1.0

    def peak(self, number: str) -> float:
        """Operations a second of the tensor cores; of tf32 half as many as of float16."""
        return self.tensor if number == "float16" else self.tensor / 2

    def products(self, number: str) -> float:
        """Multiply-adds of a multiprocessor in a cycle, by mma.sync."""
        return self.peak(number) * self.mma / 2 / self.clock / self.multiprocessors


# NVIDIA's data sheets and architecture papers: A100-SXM4-40GB, H100-SXM5. 5120 bytes a cycle come out of the cache of
# A100; of H100's no number is published and the same is taken. Hopper's peak needs wgmma, which our kernels don't use:
# mma.sync reached 62% of it where it was measured, in float16 (arXiv 2402.13499; not measured by us). For tf32
# the same share is assumed.
GPUS = {
    "A100": Gpu("A100", "sm_80", 108, 1.41e9, 312e12, 1555e9, 40e6, 5120 * 1.41e9),
    "H100": Gpu("H100", "sm_90", 132, 1.83e9, 989e12, 3350e9, 50e6, 5120 * 1.83e9, mma=0.62),
}
