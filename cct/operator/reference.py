"""`reference`: what a PatternConv means, in numpy (docs/operator.md)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cct.operator.packed import Packed, unpack


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
    out_channels, per_group, kh, kw = weight.shape
    top, left, bottom, right = pads
    x64 = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    n, _, height, width = x64.shape
    (sh, sw), (dh, dw) = strides, dilations
    rows = (height - (kh - 1) * dh - 1) // sh + 1
    columns = (width - (kw - 1) * dw - 1) // sw + 1
    x64 = x64.reshape(n, packed.group, per_group, height, width)
    weight = weight.reshape(packed.group, out_channels // packed.group, per_group, kh, kw)
    y = np.zeros((n, packed.group, weight.shape[1], rows, columns))
    for ky in range(kh):
        for kx in range(kw):
            window = x64[
                ..., ky * dh : ky * dh + (rows - 1) * sh + 1 : sh, kx * dw : kx * dw + (columns - 1) * sw + 1 : sw
            ]
            y += np.einsum("ngchw,goc->ngohw", window, weight[..., ky, kx], optimize=True)
    y = y.reshape(n, out_channels, rows, columns) + bias.astype(np.float64)[:, None, None]
    return np.asarray(np.clip(y if z is None else y + z, clip_min, clip_max), np.float64)
