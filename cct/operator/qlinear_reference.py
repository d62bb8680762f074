"""`qlinear_reference`: what a QLinearPatternConv means, in numpy, to the byte (docs/operator-int8.md)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cct.operator.packed import Packed, unpack
from cct.operator.quantization import Quantization
from cct.operator.reference import convolve

Bytes = NDArray[np.uint8]


def qlinear_reference(
    x: Bytes,
    packed: Packed,
    bias: NDArray[np.int32],
    quantization: Quantization,
    z: Bytes | None = None,
    *,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
) -> Bytes:
    """What QLinearPatternConv means, for arrays that `check_quantization` accepts.

    Args:
        x: (N, C, H, W).
        packed: the weights, int8.
        bias: (O).
        quantization: scales and zero points; those of z too, if there is one.
        z: residual (N, O, H', W') or None.
        strides, pads, dilations: as ONNX's Conv; x's zero point is padded.

    Returns:
        (N, O, H', W').
    """
    q = quantization
    weight = unpack(packed).astype(np.int64)
    signed = x.astype(np.int64) - int(q.x_zero_point)
    acc = convolve(signed, weight, packed.group, strides=strides, pads=pads, dilations=dilations)
    acc += bias[:, None, None]
    v = acc.astype(np.float32) * q.multiplier[:, None, None]
    if z is not None:
        assert q.z_zero_point is not None
        assert q.residual_multiplier is not None
        v = v + (z.astype(np.int64) - int(q.z_zero_point)).astype(np.float32) * q.residual_multiplier
    y_zero_point = int(q.y_zero_point)
    y: NDArray[np.int64] = np.clip(np.rint(v), -y_zero_point, 255 - y_zero_point).astype(np.int64) + y_zero_point
    if q.table is None:
        return y.astype(np.uint8)
    tables = np.broadcast_to(q.table, (packed.out_channels, q.table.shape[-1]))
    return np.asarray(tables[np.arange(packed.out_channels)[:, None, None], y], np.uint8)
