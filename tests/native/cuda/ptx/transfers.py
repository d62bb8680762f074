"""Loads, stores and asynchronous copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.native.cuda.ptx.errors import PtxError, UnknownPtx
from tests.native.cuda.ptx.parse import Instruction, split
from tests.native.cuda.ptx.registers import SIZES, UNSIGNED, Array, Mask

if TYPE_CHECKING:
    from tests.native.cuda.ptx.machine import Machine

# Generic addresses from here on are of shared memory; cvta converts.
SHARED_WINDOW = 1 << 46


def load(machine: Machine, it: Instruction, mask: Mask) -> None:
    """Ld, from parameters, shared or global memory."""
    targets = _operands(it.arguments[0])
    width = SIZES[it.type]
    if it.parts[0] == "param":
        values = _parameters(machine, machine.registers.addresses(it.arguments[1]), width, len(targets))
    else:
        size, lanes = width * len(targets), machine.lanes(mask)
        addresses = machine.registers.addresses(it.arguments[1])[lanes]
        read = machine.read_shared if is_shared(it) else machine.read_global
        values = np.zeros((machine.count, len(targets)), UNSIGNED[width])
        if len(lanes):
            values[lanes] = read(it, lanes, addresses, size).view(UNSIGNED[width])
    for number, target in enumerate(targets):
        value = np.ascontiguousarray(values[:, number])
        machine.registers.write(target, value.view(f"i{width}") if it.type[0] == "s" else value, mask)


def store(machine: Machine, it: Instruction, mask: Mask) -> None:
    """St, to shared or global memory."""
    lanes = machine.lanes(mask)
    if not len(lanes):
        return
    kind = f"u{8 * SIZES[it.type]}"
    columns = [machine.registers.read(source, kind)[lanes] for source in _operands(it.arguments[1])]
    values = np.stack(columns, 1).view(np.uint8)
    addresses = machine.registers.addresses(it.arguments[0])[lanes]
    (machine.write_shared if is_shared(it) else machine.write_global)(it, lanes, addresses, values)


def copy_asynchronously(machine: Machine, it: Instruction, mask: Mask) -> None:
    """cp.async: bytes from the source's size on are zeros."""
    lanes = machine.lanes(mask)
    if "commit_group" in it.parts:
        machine.shared.commit(lanes)
    elif "wait_group" in it.parts:
        machine.shared.wait(lanes, int(it.arguments[0], 0))
    elif "wait_all" in it.parts:
        machine.shared.wait(lanes, None)
    elif len(lanes):
        size = int(it.arguments[2], 0)
        if "cg" in it.parts and size != 16:
            raise UnknownPtx(it.text)
        asked = np.full(len(lanes), size)
        if len(it.arguments) == 4:
            asked = machine.registers.read(it.arguments[3], "u32")[lanes].astype(np.int64)
            if (asked > size).any():
                raise PtxError(f"a copy of {size} bytes from {asked.max()}")
        addresses = machine.registers.addresses(it.arguments[1])[lanes]
        if (addresses % size).any():  # whether or not anything is read there
            raise PtxError(f"{it.text}: the source is not aligned to {size}")
        values = np.zeros((len(lanes), size), np.uint8)
        for some in np.unique(asked[asked > 0]).tolist():
            which = asked == some
            values[which, :some] = machine.read_global(it, lanes[which], addresses[which], some, size)
        machine.start_copy(it, lanes, machine.registers.addresses(it.arguments[0])[lanes], values)


def convert_address(machine: Machine, it: Instruction, mask: Mask) -> None:
    """Cvta: global addresses are generic ones as they are."""
    address = machine.registers.read(it.arguments[1], it.type)
    if "shared" in it.parts:
        window = np.uint64(SHARED_WINDOW)
        address = address - window if "to" in it.parts else address + window
    machine.registers.write(it.arguments[0], address, mask)


def is_shared(it: Instruction) -> bool:
    """Whether a load or store is of shared memory; raises where it does not say."""
    space = it.parts[0]
    if space not in ("shared", "shared::cta", "global"):
        raise UnknownPtx(f"{it.text}: the memory that it means is not stated")
    return space != "global"


def _operands(argument: str) -> list[str]:
    return split(argument[1:-1]) if argument[0] == "{" else [argument]


def _parameters(machine: Machine, addresses: Array, width: int, count: int) -> Array:
    if int(addresses.min()) < 0 or int(addresses.max()) + width * count > len(machine.parameters):
        raise PtxError(f"parameters have {len(machine.parameters)} bytes, byte {addresses.max()} is read")
    places = addresses[:, None] + np.arange(width * count)
    return np.frombuffer(machine.parameters, np.uint8)[places].view(UNSIGNED[width])


TRANSFERS = {
    "ld": (load, "param shared shared::cta global nc v2 v4 L1::no_allocate L2::128B"),
    "st": (store, "shared shared::cta global v2 v4"),
    "cp": (
        copy_asynchronously,
        "async cg ca shared shared::cta global L2::128B commit_group wait_group wait_all",
    ),
    "cvta": (convert_address, "to shared global"),
}
