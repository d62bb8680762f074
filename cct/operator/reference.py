"""`reference`: what a PatternConv means, in numpy (docs/operator.md)."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cct.operator.packed import Packed, unpack

Number = TypeVar("Number", np.float64, np.int64)


def reference(
    x: NDArray[np.floating],
    packed: Packed,
    bias: NDArray[np.floating],
    z: NDArray[np.floating] | None = None,
    *,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    clip_min: float = -math.inf,
    clip_max: float = math.inf,
) -> NDArray[np.float64]:
    """What PatternConv means, in float64, of values of any type.

    Args:
        x: (N, C, H, W).
        packed: the weights.
        bias: (O).
        z: residual (N, O, H', W') or None.
        strides, pads, dilations: as ONNX's Conv; pads are top, left, bottom, right.
        clip_min, clip_max: the activation.

    Returns:
        (N, O, H', W').
    """
    weight = unpack(packed).astype(np.float64)
    y = convolve(x.astype(np.float64), weight, packed.group, strides=strides, pads=pads, dilations=dilations)
    y += bias.astype(np.float64)[:, None, None]
    return np.asarray(np.clip(y if z is None else y + z, clip_min, clip_max), np.float64)


def convolve(
    x: NDArray[Number],
    weight: NDArray[Number],
    group: int,
    *,
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
) -> NDArray[Number]:
    """ONNX's Conv without a bias, all of it in the type of x and weight.

    Args:
        x: (N, C, H, W).
        weight: (O, C/group, kh, kw).
        group, strides, pads, dilations: as ONNX's Conv; zeros are padded.

    Returns:
        (N, O, H', W').
    """
    out_channels, per_group, kh, kw = weight.shape
    top, left, bottom, right = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    n, _, height, width = padded.shape
    (sh, sw), (dh, dw) = strides, dilations
    rows = (height - (kh - 1) * dh - 1) // sh + 1
    columns = (width - (kw - 1) * dw - 1) // sw + 1
    padded = padded.reshape(n, group, per_group, height, width)
    weight = weight.reshape(group, out_channels // group, per_group, kh, kw)
    y = np.zeros((n, group, weight.shape[1], rows, columns), x.dtype)
    for ky in range(kh):
        for kx in range(kw):
            window = padded[
                ..., ky * dh : ky * dh + (rows - 1) * sh + 1 : sh, kx * dw : kx * dw + (columns - 1) * sw + 1 : sw
            ]
            y += np.einsum("ngchw,goc->ngohw", window, weight[..., ky, kx], optimize=True)
    return y.reshape(n, out_channels, rows, columns)
