"""The three products of a training step of a pruned convolution, each from kept weights alone: Y, dX and dW."""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cct.operator.layout import find_layout
from cct.operator.packed import Packed, pack
from cct.sparse_training.native_binding import NativeConvolution, NativeWeightGradient

Pair = tuple[int, int]
_Places = NDArray[np.float64]  # 1 + number of a weight where it is kept, else 0: float64 counts them exactly


class _Structure:
    """Where the weights of a packed convolution come from."""

    def __init__(self, places: _Places, group: int) -> None:
        self.packed: Packed = pack(places, find_layout(places, group), group)
        numbers = torch.from_numpy(self.packed.W.reshape(-1)).long()
        self.at = numbers.nonzero().squeeze(1)  # in W, of all weights that are kept
        self.source = numbers[self.at] - 1  # in the dense weight
        self._shape = self.packed.W.shape

    def gather(self, weight: Tensor) -> Tensor:
        """W of a dense weight."""
        kept = weight.reshape(-1).index_select(0, self.source)
        return weight.new_zeros(self._shape).view(-1).index_copy_(0, self.at, kept).view(self._shape)

    def scatter(self, W: Tensor, like: Tensor) -> Tensor:
        """The dense weight of W, in the shape of another; zero where nothing is kept."""
        dense = torch.zeros(like.shape, dtype=like.dtype)
        dense.view(-1).index_copy_(0, self.source, W.view(-1).index_select(0, self.at))
        return dense


class SparseConvolution:
    """A convolution of which only some weights are kept, on the CPU in float32; the images are (N, C, H, W).

    Args:
        mask: non-zero where a weight stays, (O, C/group, kh, kw).
        stride, padding, dilation: of the convolution, zeros are padded.
        group: likewise.
    """

    def __init__(self, mask: Tensor, stride: Pair, padding: Pair, dilation: Pair, group: int) -> None:
        self.stride, self.padding, self.dilation, self.group = stride, padding, dilation, group
        self._mask = mask.detach().cpu() != 0
        kept = self._mask.numpy()
        places = np.where(kept, np.arange(1, kept.size + 1, dtype=np.float64).reshape(kept.shape), 0)
        self.density = float(kept.mean())
        self._geometry = {"strides": stride, "pads": padding * 2, "dilations": dilation}
        self._forward = _Structure(places, group)
        self._native = NativeConvolution(self._forward.packed, **self._geometry)
        self._native_gradient = NativeWeightGradient(self._forward.packed, **self._geometry)
        phases, self._begin = _phases(places, group, stride, padding, dilation)
        self._window = phases.shape[2:]
        self._backward = _Structure(phases, group)
        self._native_inputs: dict[Pair, NativeConvolution] = {}  # by the padding at the end
        self._lock = threading.Lock()  # setting weights and running are one

    def masked(self, weight: Tensor) -> Tensor:
        """The weight that counts, differentiable."""
        return weight * self._mask

    def output(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Y of the masked weight."""
        x, W = x.contiguous(), self._forward.gather(weight)
        with self._lock:
            return self._native.run(x, W, weight.new_zeros(len(weight)) if bias is None else bias.contiguous())

    def weight_gradient(self, dy: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """DW, in the shape of `weight`; zero where nothing is kept."""
        return self._forward.scatter(self._native_gradient.run(x.contiguous(), dy.contiguous()), weight)

    def input_gradient(self, dy: Tensor, weight: Tensor, size: Pair) -> Tensor:
        """DX for X of that height and width. See `_phases`."""
        end = self._end(dy, size)
        if min(end) < 0:
            raise ValueError(f"dY of {tuple(dy.shape)} is larger than dX of {size} needs")
        W = self._backward.gather(weight)
        with self._lock:
            if end not in self._native_inputs:
                pads = (*self._begin, *end)
                geometry = {"strides": (1, 1), "pads": pads, "dilations": (1, 1)}
                self._native_inputs[end] = NativeConvolution(self._backward.packed, **geometry)
            dx = self._native_inputs[end].run(dy.contiguous(), W, weight.new_zeros(self._backward.packed.out_channels))
        if self.stride == (1, 1):
            return dx
        return _interleave(dx, self.stride)[:, :, : size[0], : size[1]].contiguous()

    def has_input_gradient(self, dy: Tensor, size: Pair) -> bool:
        """Whether `input_gradient` can do it: not if dY reaches far beyond X."""
        return min(self._end(dy, size)) >= 0

    def _end(self, dy: Tensor, size: Pair) -> Pair:
        """Zeros to pad below and right of dY."""
        ends = [
            -(-size[axis] // self.stride[axis]) - dy.shape[2 + axis] - self._begin[axis] + self._window[axis] - 1
            for axis in range(2)
        ]
        return ends[0], ends[1]


def _phases(places: _Places, group: int, stride: Pair, padding: Pair, dilation: Pair) -> tuple[_Places, Pair]:
    """The convolution that makes dX of dY, with stride 1, and the zeros that it pads above and left of dY.

    It turns the kernel by 180 degrees. With stride s, rows of X that are s apart meet the same rows of the kernel: each
    of the s * s such phases of the image is a convolution of its own, with fewer taps, and an output channel of this
    one, as `_interleave` puts them together.
    """
    O, C, kh, kw = places.shape
    begins, taps, window = [], [], []
    for axis, size in enumerate((kh, kw)):
        reach = [padding[axis] - k * dilation[axis] for k in range(size)]  # from dX to dY, times stride
        phase = [-r % stride[axis] for r in reach]
        step = [(a + r) // stride[axis] for a, r in zip(phase, reach, strict=True)]
        first = min(*step, 0)
        begins.append(-first)
        window.append(max(*step, 0) - first + 1)
        taps.append([(a, s - first) for a, s in zip(phase, step, strict=True)])
    turned = places.reshape(group, O // group, C, kh, kw).swapaxes(1, 2).reshape(group * C, O // group, kh, kw)
    answer = np.zeros((group * C, *stride, O // group, *window))
    for row, (top, a) in enumerate(taps[0]):
        for column, (left, b) in enumerate(taps[1]):
            answer[:, top, left, :, a, b] = turned[:, :, row, column]
    return answer.reshape(-1, O // group, *window), (begins[0], begins[1])


def _interleave(phases: Tensor, stride: Pair) -> Tensor:
    """(N, C * s * t, H, W) -> (N, C, H * s, W * t), as `pixel_shuffle` does, in half of its time."""
    images, channels, height, width = phases.shape
    s, t = stride
    parts = phases.view(images, channels // (s * t), s, t, height, width)
    answer = phases.new_empty(images, channels // (s * t), height, s, width, t)
    for row in range(s):
        torch.stack([parts[:, :, row, column] for column in range(t)], -1, out=answer[:, :, :, row])
    return answer.view(images, -1, height * s, width * t)
