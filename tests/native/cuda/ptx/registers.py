"""Values of registers, one for each lane: a lane is a thread of any of the blocks that run together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.native.cuda.ptx.errors import PtxError, UnknownPtx
from tests.native.cuda.ptx.parse import Function

Array = NDArray[Any]
Mask = Array | None  # lanes that take part; None where all do, which is the usual case and saves time

UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
TYPES: dict[str, type[np.generic]] = {
    "pred": np.bool_,
    **{f"{letter}{8 * size}": unsigned for letter in "bu" for size, unsigned in UNSIGNED.items()},
    **{"s8": np.int8, "s16": np.int16, "s32": np.int32, "s64": np.int64},
    **{"f16": np.float16, "f32": np.float32, "f64": np.float64},
}
SIZES = {name: np.dtype(dtype).itemsize for name, dtype in TYPES.items()}
INTEGER = re.compile(r"-?(0x[0-9a-fA-F]+|\d+)U?$")


def selected(mask: Mask) -> Any:
    """Index of the lanes that take part."""
    return slice(None) if mask is None else mask


class Registers:
    """The register file of all lanes.

    Registers are kept as unsigned integers of their width (predicates as booleans); a read says as what it takes them.
    """

    def __init__(self, function: Function, lanes: int, special: Mapping[str, Array]) -> None:
        self._function, self._lanes = function, lanes
        self._values: dict[str, Array] = {}
        self._constants: dict[tuple[str, str], Array] = {}
        self._special, self._variables = special, function.shared | function.parameter_starts()
        self._types: dict[str, str] = {}

    def read(self, operand: str, kind: str) -> Array:
        """An operand as this type: a register, a special register, a number or a variable's address."""
        value = self._values.get(operand)
        if value is None:
            return self._constant(operand, kind)
        dtype, size = TYPES[kind], SIZES[kind]
        if kind == "pred" or value.dtype == np.bool_:
            if value.dtype != dtype:
                raise PtxError(f"{operand} is no {kind}")
            return value
        if value.itemsize == size:
            return value.view(dtype)
        if value.itemsize < size:
            raise PtxError(f"{operand} is too narrow for {kind}")
        return value.astype(UNSIGNED[size]).view(dtype)

    def write(self, register: str, value: Array, mask: Mask) -> None:
        """Sets the lanes of the mask; a narrower integer is extended by its sign."""
        if register == "_":  # the sink of vector loads
            return
        kind = self._types.get(register) or self._types.setdefault(register, self._function.type_of(register))
        if kind != "pred":
            size = SIZES[kind]
            if value.itemsize < size:
                value = value.astype(np.int64 if value.dtype.kind == "i" else np.uint64).astype(UNSIGNED[size])
            elif value.itemsize > size:
                raise PtxError(f"{value.dtype} does not fit {register}")
            value = value.view(UNSIGNED[size])
        elif value.dtype != np.bool_:
            raise PtxError(f"{value.dtype} is no predicate for {register}")
        if mask is not None:
            # Lanes that never set a register hold 0 in it. That no path reads such a one is the compiler's promise.
            value = np.where(mask, value, self._values.get(register, value.dtype.type(0)))
        elif value.base is not None and not value.flags.c_contiguous:
            value = value.copy()
        self._values[register] = value

    def addresses(self, operand: str) -> Array:
        """Of a memory operand `[base+offset]`, as int64."""
        base, _, offset = operand.strip()[1:-1].replace(" ", "").partition("+")
        wide = base in self._variables or SIZES[self._function.type_of(base)] == 8
        return self.read(base, "s64" if wide else "u32").astype(np.int64) + int(offset or "0", 0)

    def _constant(self, operand: str, kind: str) -> Array:
        key = (operand, kind)
        if key not in self._constants:
            value = np.empty(self._lanes, TYPES[kind])
            value[...] = self._evaluated(operand, kind)
            value.flags.writeable = False
            self._constants[key] = value
        return self._constants[key]

    def _evaluated(self, operand: str, kind: str) -> Any:
        if operand in self._special:
            return self._special[operand].astype(TYPES[kind])
        if operand in self._variables:
            return self._variables[operand]
        if operand[:2] in ("0f", "0d"):
            bits = np.array(int(operand[2:], 16), UNSIGNED[4 if operand[1] == "f" else 8])
            return bits.view({4: np.float32, 8: np.float64}[bits.itemsize])
        if INTEGER.match(operand):
            number = int(operand.rstrip("U"), 0)
            if kind == "pred":
                return bool(number)
            size = SIZES[kind]
            return np.array(number % (1 << 8 * size), UNSIGNED[size]).view(TYPES[kind])
        if operand[0] == "%" or operand in self._function.types:
            self._function.type_of(operand)  # fails for a special register that we don't have
            raise PtxError(f"{operand} is read before it is set")
        raise UnknownPtx(f"operand {operand}")
