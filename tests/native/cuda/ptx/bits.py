"""Instructions on the bits of registers."""

from __future__ import annotations

import numpy as np

from tests.native.cuda.ptx.arithmetic import Compute, elementwise, signed
from tests.native.cuda.ptx.parse import Instruction
from tests.native.cuda.ptx.registers import SIZES, UNSIGNED, Array, Mask, Registers


def shift_left(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Shl: all bits are gone from the type's width on."""
    size = SIZES[it.type]
    value = registers.read(it.arguments[1], f"u{8 * size}").astype(np.uint64)
    count = registers.read(it.arguments[2], "u32").astype(np.uint64)
    shifted: Array = np.where(count < 8 * size, value << np.minimum(count, 63), 0)
    registers.write(it.arguments[0], shifted.astype(UNSIGNED[size]), mask)


def shift_right(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Shr: the sign fills a signed type."""
    size = SIZES[it.type]
    kind = it.type if signed(it.type) else f"u{8 * size}"
    value = registers.read(it.arguments[1], kind)
    count = registers.read(it.arguments[2], "u32")
    shifted = value >> np.minimum(count, 8 * size - 1).astype(value.dtype)
    gone = value.dtype.type(0)
    registers.write(it.arguments[0], shifted if signed(kind) else np.where(count < 8 * size, shifted, gone), mask)


def funnel_shift(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Shf: 32 bits out of 64."""
    low, high, count = (registers.read(argument, "u32").astype(np.uint64) for argument in it.arguments[1:])
    count = count & 31 if "wrap" in it.parts else np.minimum(count, 32)
    both = high << np.uint64(32) | low
    shifted = both >> count if "r" in it.parts else (both << count) >> np.uint64(32)
    registers.write(it.arguments[0], shifted.astype(np.uint32), mask)


def extract_bits(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Bfe."""
    value, start, length = (registers.read(argument, "u32").astype(np.int64) for argument in it.arguments[1:])
    if signed(it.type):
        value = value.astype(np.uint32).view(np.int32).astype(np.int64)
    start, length = np.minimum(start & 255, 63), np.minimum(length & 255, 32)
    bits = value >> start & (np.int64(1) << length) - 1
    if signed(it.type):
        negative = (bits >> np.maximum(length - 1, 0) & 1).astype(bool) & (length > 0)
        bits = np.where(negative, bits - (np.int64(1) << length), bits)
    registers.write(it.arguments[0], bits.astype(np.uint32), mask)


def insert_bits(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Bfi."""
    bits, into, start, length = (registers.read(argument, "u32").astype(np.uint64) for argument in it.arguments[1:])
    start, length = np.minimum(start & 255, 32), np.minimum(length & 255, 32)
    window = ((np.uint64(1) << length) - 1) << start
    registers.write(it.arguments[0], (into & ~window | bits << start & window).astype(np.uint32), mask)


def permute_bytes(registers: Registers, it: Instruction, mask: Mask) -> None:
    """Prmt: each byte of the result is one of eight, or its sign."""
    low, high, choice = (registers.read(argument, "u32") for argument in it.arguments[1:])
    both = high.astype(np.uint64) << np.uint64(32) | low
    result = np.zeros(len(low), np.uint64)
    for place in range(4):
        nibble = choice.astype(np.uint64) >> np.uint64(4 * place) & 15
        byte = both >> 8 * (nibble & 7) & 255
        byte = np.where(nibble & 8, (byte >> 7) * 255, byte)
        result |= byte << np.uint64(8 * place)
    registers.write(it.arguments[0], result.astype(np.uint32), mask)


def any_logic(registers: Registers, it: Instruction, mask: Mask) -> None:
    """lop3: the table's bit 4a + 2b + c is the result for bits a, b, c."""
    a, b, c = (registers.read(argument, "b32") for argument in it.arguments[1:4])
    table, result = int(it.arguments[4], 0), np.zeros_like(a)
    for row in range(8):
        if table >> row & 1:
            result |= (a if row & 4 else ~a) & (b if row & 2 else ~b) & (c if row & 1 else ~c)
    registers.write(it.arguments[0], result, mask)


def count_ones(value: Array) -> Array:
    """Popc, whose result has 32 bits."""
    ones: Array = np.unpackbits(value.view(np.uint8).reshape(len(value), -1), axis=1).sum(1)
    return ones


# Each with the modifiers that it is right for.
BITS: dict[str, tuple[Compute, str]] = {
    "and": (elementwise(np.bitwise_and), ""),
    "or": (elementwise(np.bitwise_or), ""),
    "xor": (elementwise(np.bitwise_xor), ""),
    "not": (elementwise(np.invert), ""),
    "shl": (shift_left, ""),
    "shr": (shift_right, ""),
    "shf": (funnel_shift, "l r wrap clamp"),
    "bfe": (extract_bits, ""),
    "bfi": (insert_bits, ""),
    "prmt": (permute_bytes, ""),
    "lop3": (any_logic, ""),
    "popc": (elementwise(count_ones), ""),
}
