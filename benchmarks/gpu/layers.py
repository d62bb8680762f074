"""The convolutions of two networks that are pruned: all but the first and the shortcuts. 224x224 pixels."""

from __future__ import annotations

from dataclasses import dataclass

BYTES = {"float16": 2, "tf32": 4}  # of a number of X, Y and the weights
CHUNK = {"float16": 8, "tf32": 4}  # channels of a step
SLAB = 4  # steps
PATTERN = 4  # of 9 positions that a kernel of 3x3 keeps
DENSE = 1.0
REDUCTIONS = (2.25, 4.0, 8.0)


@dataclass(frozen=True)
class Layer:
    """A convolution with padding that keeps the size, or halves it with stride 2; `count` of it in the network.

    Where `residual`, it adds another tensor to its result. `number` is what tensor cores multiply.
    """

    in_channels: int
    out_channels: int
    size: int  # pixels a side of the input
    window: int
    count: int
    stride: int = 1
    residual: bool = False
    number: str = "float16"

    def __str__(self) -> str:
        stride = f" /{self.stride}" if self.stride > 1 else ""
        return f"{self.window}x{self.window}{stride} {self.in_channels}-{self.out_channels} @{self.size}"

    @property
    def out_size(self) -> int:
        """Pixels a side of the output."""
        return self.size // self.stride

    def flops(self, batch: int, reduction: float) -> float:
        """Floating point operations that are left."""
        return 2 * batch * self.out_size**2 * self.out_channels * self.weights(reduction) / self.out_channels

    def weights(self, reduction: float) -> float:
        """Weights that are left."""
        return self.in_channels * self.out_channels * self.window**2 / reduction

    def weight_bytes(self, reduction: float) -> float:
        """Of those."""
        return self.weights(reduction) * BYTES[self.number]

    def read(self, batch: int) -> float:
        """Bytes of X."""
        return batch * self.size**2 * self.in_channels * BYTES[self.number]

    def added(self, batch: int) -> float:
        """Bytes of Z."""
        return self.written(batch) if self.residual else 0

    def written(self, batch: int) -> float:
        """Bytes of Y."""
        return batch * self.out_size**2 * self.out_channels * BYTES[self.number]

    def slabs(self, reduction: float) -> int:
        """Of an out tile whose output channels are one block: patterns, then whole kernels, as the pruning takes them.

        A dense kernel of 3x3 is taken as nine steps a chunk without filling: as if slabs could have any steps.
        """
        chunks = self.in_channels / CHUNK[self.number]
        if reduction == DENSE:
            return _up(chunks * self.window**2 / SLAB)
        if self.window == 1:
            return _up(chunks / reduction / SLAB)
        return _up(chunks * self.window**2 / PATTERN / reduction)  # a slab is a chunk's pattern


def _up(value: float) -> int:
    return int(-(-value // 1))


def _bottlenecks(width: int, size: int, count: int, first_in: int, stride: int) -> tuple[Layer, ...]:
    """A stage of ResNet-50: `count` blocks of 1x1, 3x3, 1x1; the first has another input, and strides."""
    inner, out = size // stride, 4 * width
    return (
        Layer(first_in, width, size, 1, 1),
        Layer(width, width, size, 3, 1, stride),
        Layer(width, out, inner, 1, count, residual=True),
        Layer(out, width, inner, 1, count - 1),
        Layer(width, width, inner, 3, count - 1),
    )


NETWORKS = {
    "VGG-16": (
        Layer(64, 64, 224, 3, 1),
        Layer(64, 128, 112, 3, 1),
        Layer(128, 128, 112, 3, 1),
        Layer(128, 256, 56, 3, 1),
        Layer(256, 256, 56, 3, 2),
        Layer(256, 512, 28, 3, 1),
        Layer(512, 512, 28, 3, 2),
        Layer(512, 512, 14, 3, 3),
    ),
    "ResNet-50": (
        *_bottlenecks(64, 56, 3, 64, 1),
        *_bottlenecks(128, 56, 4, 256, 2),
        *_bottlenecks(256, 28, 6, 512, 2),
        *_bottlenecks(512, 14, 3, 1024, 2),
    ),
}

# What a chain of channel-last convolutions reads and writes in NCHW at its ends, as (channels, pixels a side): VGG's
# chains end at each pooling, ResNet's at the first and the last one.
CHAIN_ENDS = {
    "VGG-16": (
        *((64, 224), (64, 224), (64, 112), (128, 112), (128, 56), (256, 56)),
        *((256, 28), (512, 28), (512, 14), (512, 14)),
    ),
    "ResNet-50": ((64, 56), (2048, 7)),
}
