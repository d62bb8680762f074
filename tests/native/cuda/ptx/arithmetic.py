"""Instructions that compute from registers to a register."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.native.cuda.ptx.errors import PtxError, UnknownPtx
from tests.native.cuda.ptx.parse import Instruction, split
from tests.native.cuda.ptx.registers import SIZES, TYPES, UNSIGNED, Array, Mask, Registers

Compute = Callable[[Registers, Instruction, Mask], None]


def signed(kind: str) -> bool:
    """Whether a type is of signed integers."""
    return kind[0] == "s"


def real(kind: str) -> bool:
    """Whether a type is of floating point numbers."""
    return kind[0] == "f"


def elementwise(function: Callable[..., Array], integer: Callable[..., Array] | None = None) -> Compute:
    """An instruction whose operands all have its type; `integer` is for types that are not floating point."""

    def compute(registers: Registers, it: Instruction, mask: Mask) -> None:
        kind = it.type
        some = function if integer is None or real(kind) else integer
        operands = [registers.read(argument, kind) for argument in it.arguments[1:]]
        registers.write(it.arguments[0], some(*operands).astype(TYPES[kind], copy=False), mask)

    return compute


def extreme(ignoring: Callable[..., Array], propagating: Callable[..., Array]) -> Compute:
    """Of two numbers; a NaN is the result with `.NaN` only."""

    def compute(registers: Registers, it: Instruction, mask: Mask) -> None:
        function = propagating if "NaN" in it.parts or not real(it.type) else ignoring
        elementwise(function)(registers, it, mask)

    return compute


def product(a: Array, b: Array, kind: str, half: str) -> Array:
    """The low or high half of a product of integers, or the wide product."""
    size = SIZES[kind]
    if half == "lo" or real(kind):
        return a * b
    if size == 8:
        whole = np.array([int(x) * int(y) >> 64 for x, y in zip(a.tolist(), b.tolist(), strict=True)], object)
        return (whole % (1 << 64)).astype(np.uint64).view(TYPES[kind])
    wider = TYPES[f"{kind[0]}{16 * size}"]
    wide = a.astype(wider) * b.astype(wider)
    return wide if half == "wide" else (wide >> (8 * size)).astype(TYPES[kind])


def multiply(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Mul."""
    a, b = (registers.read(argument, it.type) for argument in it.arguments[1:])
    registers.write(it.arguments[0], product(a, b, it.type, it.parts[0]), mask)


def multiply_add(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Mad, of integers."""
    kind, half = it.type, it.parts[0]
    a, b = (registers.read(argument, kind) for argument in it.arguments[1:3])
    c = registers.read(it.arguments[3], f"{kind[0]}{16 * SIZES[kind]}" if half == "wide" else kind)
    registers.write(it.arguments[0], product(a, b, kind, half) + c, mask)


def fused_multiply_add(a: Array, b: Array, c: Array) -> Array:
    """The product is exact in float64; its sum is rounded twice, which rarely shows in the last bit."""
    if a.dtype == np.float64:
        raise UnknownPtx("fma of f64")
    return a.astype(np.float64) * b + c


def divide(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Div and rem; of integers, the quotient is rounded towards 0."""
    kind = it.type
    a, b = (registers.read(argument, kind) for argument in it.arguments[1:])
    if real(kind):
        result = a / b
    else:
        if ((b == 0) if mask is None else (b == 0) & mask).any():
            raise PtxError("division by zero")
        divisor = np.where(b == 0, TYPES[kind](1), b)
        remainder = np.fmod(a, divisor)
        result = remainder if it.opcode == "rem" else (a - remainder) // divisor
    registers.write(it.arguments[0], result, mask)


COMPARISONS = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater}
COMPARISONS |= {"ge": np.greater_equal, "lo": np.less, "ls": np.less_equal, "hi": np.greater, "hs": np.greater_equal}
LOGIC = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}


def compare(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Setp. `ltu` and the like are true of NaN, as is `ne` here; in PTX `ne` is not."""
    if "|" in it.arguments[0]:
        raise UnknownPtx("setp of two predicates")
    name, kind = it.parts[0], it.type
    a, b = (registers.read(argument, kind) for argument in it.arguments[1:3])
    if name in ("nan", "num"):
        result = (np.isnan(a) | np.isnan(b)) == (name == "nan")
    elif real(kind) and name[:-1] in COMPARISONS:
        result = COMPARISONS[name[:-1]](a, b) | np.isnan(a) | np.isnan(b)
    else:
        result = COMPARISONS[name](a, b)
        if real(kind):
            result &= ~(np.isnan(a) | np.isnan(b))
    if len(it.parts) == 3:
        result = LOGIC[it.parts[1]](result, registers.read(it.arguments[3], "pred"))
    registers.write(it.arguments[0], result, mask)


def select(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Selp."""
    a, b = (registers.read(argument, it.type) for argument in it.arguments[1:3])
    registers.write(it.arguments[0], np.where(registers.read(it.arguments[3], "pred"), a, b), mask)


def move(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Mov, also to and from the parts of a wider register."""
    target, source = it.arguments
    bits = 8 * SIZES[it.type]
    if target[0] == "{":
        parts = split(target[1:-1])
        value, width = registers.read(source, it.type), bits // len(parts)
        for place, part in enumerate(parts):
            registers.write(part, (value >> value.dtype.type(place * width)).astype(UNSIGNED[width // 8]), mask)
    elif source[0] == "{":
        parts = split(source[1:-1])
        width = bits // len(parts)
        whole: Array = np.zeros(1, np.uint64)
        for place, part in enumerate(parts):
            whole = whole | registers.read(part, f"u{width}").astype(np.uint64) << np.uint64(place * width)
        registers.write(target, whole.astype(UNSIGNED[bits // 8]), mask)
    else:
        registers.write(target, registers.read(source, it.type), mask)


ROUND = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


def convert(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Cvt: between floating point types to the nearest; to an integer, the nearest that the type holds."""
    to, of = it.parts[-2:]
    if to == "f16x2":
        high, low = (registers.read(argument, of).astype(np.float16).view(np.uint16) for argument in it.arguments[1:])
        registers.write(it.arguments[0], high.astype(np.uint32) << np.uint32(16) | low, mask)
        return
    value = registers.read(it.arguments[1], of)
    if "rna" in it.parts or to == "tf32":
        if it.parts != ("rna", "tf32", "f32"):
            raise UnknownPtx(it.text)
        registers.write(it.arguments[0], _nearest_tf32(value), mask)
        return
    if real(of) and (rounding := [part for part in it.parts if part in ROUND]):
        value = ROUND[rounding[0]](value)
    if real(of) and not real(to):
        limits: Any = np.iinfo(TYPES[to])
        exact = np.nan_to_num(value.astype(np.float64), nan=0.0)
        value = np.clip(exact, limits.min, np.nextafter(float(limits.max) + 1, 0) if limits.bits == 64 else limits.max)
    if "sat" in it.parts:
        if not real(to):
            raise UnknownPtx("cvt.sat to an integer")
        value = np.fmin(np.fmax(value, 0), 1)
    registers.write(it.arguments[0], value.astype(TYPES[to]), mask)


def _nearest_tf32(value: Array) -> Array:
    """The bits; ties go away from zero, and the last 13 bits are zeros."""
    bits = value.view(np.uint32)
    nearest = (bits.astype(np.uint64) + 0x1000 & 0xFFFFE000).astype(np.uint32)
    return np.where(np.isnan(value), np.uint32(0x7FFFFFFF), nearest)


def half_pairs(function: Callable[..., Array]) -> Compute:
    """Two float16 in a register."""

    def compute(registers: Registers, it: Instruction, mask: Mask) -> None:
        operands = [registers.read(argument, "u32").view(np.float16) for argument in it.arguments[1:]]
        result = function(*operands).astype(np.float16)
        registers.write(it.arguments[0], result.view(np.uint32), mask)

    return compute


def of_pairs(plain: Compute, function: Callable[..., Array]) -> Compute:
    """The same instruction for one number and for pairs of float16."""
    pairs = half_pairs(function)
    return lambda registers, it, mask: (pairs if it.type == "f16x2" else plain)(registers, it, mask)


# Each with the modifiers that it is right for.
ARITHMETIC: dict[str, tuple[Compute, str]] = {
    "add": (of_pairs(elementwise(np.add), np.add), "rn f16x2"),
    "sub": (of_pairs(elementwise(np.subtract), np.subtract), "rn f16x2"),
    "mul": (of_pairs(multiply, np.multiply), "lo hi wide rn f16x2"),
    "mad": (multiply_add, "lo hi wide"),
    "fma": (of_pairs(elementwise(fused_multiply_add), fused_multiply_add), "rn f16x2"),
    "div": (divide, "rn full approx"),
    "rem": (divide, ""),
    "min": (extreme(np.fmin, np.minimum), "NaN"),
    "max": (extreme(np.fmax, np.maximum), "NaN"),
    "neg": (elementwise(np.negative), ""),
    "abs": (elementwise(np.abs), ""),
    "setp": (compare, " ".join([*COMPARISONS, *LOGIC, "equ neu ltu leu gtu geu nan num"])),
    "selp": (select, ""),
    "mov": (move, ""),
    "cvt": (convert, " ".join(["rn f16x2 sat rna tf32", *ROUND])),
}
