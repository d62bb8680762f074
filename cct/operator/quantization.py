"""The scales and zero points of a `cct::QLinearPatternConv`, and the rules that they obey (docs/operator-int8.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cct.errors import OperatorError
from cct.operator.packed import Packed, check
from cct.operator.qlinear_spec import TABLE_SIZE

SMALLEST = 2.0**-126  # of scales: below, float32 has fewer bits, and processors may take it for zero
LARGEST = 2.0**96  # of M and S: an int32 times it is finite
LARGEST_SUM = 2**31 - 1

Scale = NDArray[np.float32]
ZeroPoint = NDArray[np.uint8]


@dataclass(frozen=True)
class Quantization:
    """What the bytes of one QLinearPatternConv stand for; the names are those of the operator's inputs.

    Attributes:
        x_scale, x_zero_point: scalars, of X.
        w_scale: (O), of the weights of each output channel.
        y_scale, y_zero_point: scalars, of Y before the table.
        z_scale, z_zero_point: scalars, of the residual, or None.
        table: uint8 (256) or (O, 256), the activation, or None.
    """

    x_scale: Scale
    x_zero_point: ZeroPoint
    w_scale: Scale
    y_scale: Scale
    y_zero_point: ZeroPoint
    z_scale: Scale | None = None
    z_zero_point: ZeroPoint | None = None
    table: NDArray[np.uint8] | None = None

    @property
    def multiplier(self) -> Scale:
        """M of the specification: float32 (O), each of the two steps rounded."""
        with np.errstate(over="ignore", under="ignore"):  # `check_quantization` names them
            return np.asarray(self.x_scale * self.w_scale / self.y_scale, np.float32)

    @property
    def residual_multiplier(self) -> Scale | None:
        """S of the specification: a scalar of float32."""
        with np.errstate(over="ignore", under="ignore"):
            return None if self.z_scale is None else np.asarray(self.z_scale / self.y_scale, np.float32)


def check_quantization(packed: Packed, bias: NDArray[np.int32], quantization: Quantization) -> None:
    """Refuse packed weights of int8, a bias, scales and zero points that break the rules of the operator.

    Raises:
        OperatorError: the first rule that is broken, with the numbers.
    """
    channels = packed.out_channels
    _check_array("W", packed.W, np.int8)
    check(packed)
    _check_array("B", bias, np.int32, (channels,))
    for field in fields(quantization):
        value = getattr(quantization, field.name)
        if field.name == "table" or value is None:
            continue
        dtype = np.float32 if field.name.endswith("scale") else np.uint8
        _check_array(field.name, value, dtype, (channels,) if field.name == "w_scale" else ())
    if (quantization.z_scale is None) != (quantization.z_zero_point is None):
        raise OperatorError("z_scale and z_zero_point: both or neither must be there")
    if quantization.table is not None:
        _check_array("table", quantization.table, np.uint8, (TABLE_SIZE,), (channels, TABLE_SIZE))
    for name in ("x_scale", "w_scale", "y_scale", "z_scale"):
        _check_range(name, getattr(quantization, name), float(np.finfo(np.float32).max))
    _check_range("x_scale * w_scale / y_scale", quantization.multiplier, LARGEST)
    _check_range("z_scale / y_scale", quantization.residual_multiplier, LARGEST)
    sums = _largest_sums(packed) + abs(bias.astype(np.int64))
    if sums.max() > LARGEST_SUM:
        o = int(sums.argmax())
        raise OperatorError(f"output channel {o}: sums may reach {sums[o]}, beyond {LARGEST_SUM}")


def _check_array(name: str, found: NDArray[Any], dtype: type[np.generic], *shapes: tuple[int, ...]) -> None:
    if found.dtype != dtype:
        raise OperatorError(f"{name} is {found.dtype}; must be {np.dtype(dtype)}")
    if shapes and found.shape not in shapes:
        raise OperatorError(f"{name} {found.shape}: must be {' or '.join(map(str, shapes))}")


def _check_range(name: str, scales: Scale | None, largest: float) -> None:
    if scales is None:
        return
    wrong = ~((scales >= SMALLEST) & (scales <= largest)).reshape(-1)  # NaN is wrong
    if wrong.any():
        raise OperatorError(f"{name} {scales.reshape(-1)[wrong][0]:g}: must be from {SMALLEST:g} to {largest:g}")


def _largest_sums(packed: Packed) -> NDArray[np.int64]:
    """How large the sum of products of each output channel may become, for any X: (O).

    From the packed weights, since a forged file can make the dense ones huge.
    """
    sums = np.zeros(packed.out_channels, np.int64)
    outputs = packed.order.reshape(-1, packed.block[0])[packed.filters]  # (K, bo)
    # On padding, -1, the weights are zero, and so is what they add to the last channel.
    np.add.at(sums, outputs, 255 * abs(packed.W.astype(np.int64)).sum(1))
    return sums
