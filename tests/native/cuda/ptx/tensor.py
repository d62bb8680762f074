"""Tensor cores: mma, and the loads that bring matrices into its layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.native.cuda.ptx.errors import PtxError, UnknownPtx
from tests.native.cuda.ptx.parse import Instruction, split
from tests.native.cuda.ptx.registers import Array, Mask

if TYPE_CHECKING:
    from tests.native.cuda.ptx.machine import Machine

WARP = 32
KINDS = {
    ("sync", "aligned", "m16n8k16", "row", "col", "f32", "f16", "f16", "f32"): "f16",
    ("sync", "aligned", "m16n8k8", "row", "col", "f32", "tf32", "tf32", "f32"): "tf32",
}
TF32 = np.uint32(0xFFFFE000)  # what tensor cores read of a float32


def whole_warps(machine: Machine, mask: Mask) -> None:
    """Raises if some lanes of a warp take no part: these instructions are the whole warp's."""
    if mask is not None:
        lanes = mask.reshape(-1, WARP).sum(1)
        if (lanes % WARP).any():
            raise PtxError(f"{int(lanes[lanes % WARP != 0][0])} of the warp's {WARP} lanes are here, all must be")


def load_matrices(machine: Machine, it: Instruction, mask: Mask) -> None:
    """Ldmatrix: lanes 8k..8k+7 say where the rows of matrix k lie; lane l gets elements 2l and 2l+1 of each."""
    whole_warps(machine, mask)
    targets = split(it.arguments[0][1:-1])
    count = len(targets)
    if f"x{count}" not in it.parts:
        raise UnknownPtx(it.text)
    asked = np.tile(np.arange(WARP) < 8 * count, machine.count // WARP)  # the other lanes' addresses mean nothing
    lanes = np.flatnonzero(asked if mask is None else asked & mask)
    rows = np.zeros((machine.count, 4), np.uint32)
    addresses = machine.registers.addresses(it.arguments[1])[lanes]
    rows[lanes] = machine.read_shared(it, lanes, addresses, 16).view(np.uint32)
    matrices = rows.view(np.uint16).reshape(-1, 4, 8, 8)
    if "trans" in it.parts:
        matrices = matrices.transpose(0, 1, 3, 2)
    pairs = np.ascontiguousarray(matrices).reshape(-1, 4, 2 * WARP).view(np.uint32)
    for number, target in enumerate(targets):
        machine.registers.write(target, pairs[:, number].reshape(-1), mask)


def multiply_matrices(machine: Machine, it: Instruction, mask: Mask) -> None:
    """Mma of float16 (m16n8k16) or tf32 (m16n8k8) with float32 sums: D = A B + C.

    With g = lane / 4 and t = lane % 4, a register holds elements 2t and 2t+1 of float16, or element t of tf32, of row g
    of a quarter of A, or of column g of a half of B; of D and C it holds one element of a row of 8. A quarter has 8
    rows, and 8 columns of float16 or 4 of tf32.
    """
    kind = KINDS.get(it.parts)
    if not kind:
        raise UnknownPtx(it.text)
    whole_warps(machine, mask)
    D, A, B, C = (split(argument[1:-1]) for argument in it.arguments)

    def eighth(register: str) -> Array:  # [warp, g, element]
        bits = machine.registers.read(register, "b32")
        numbers = bits.view(np.float16) if kind == "f16" else (bits & TF32).view(np.float32)
        return numbers.reshape(len(bits) // WARP, 8, -1).astype(np.float32)

    a = [eighth(register) for register in A]  # rows 0-7, 8-15 of the left half, then of the right one
    left = np.concatenate([np.concatenate(a[::2], 2), np.concatenate(a[1::2], 2)], 1)
    right = np.concatenate([eighth(register) for register in B], 2).transpose(0, 2, 1)
    products = left @ right  # [warp, 16, 8]
    for number, (target, addend) in enumerate(zip(D, C, strict=True)):
        row, column = 8 * (number // 2), number % 2
        some = products[:, row : row + 8, column::2].reshape(-1)
        machine.registers.write(target, some + machine.registers.read(addend, "f32"), mask)


TENSOR = {
    "ldmatrix": (load_matrices, "sync aligned m8n8 x1 x2 x4 trans shared shared::cta"),
    "mma": (multiply_matrices, "sync aligned m16n8k16 m16n8k8 row col tf32"),
}
