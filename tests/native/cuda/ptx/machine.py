"""The state of the blocks that run together, and control flow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.native.cuda.ptx.counters import Counters
from tests.native.cuda.ptx.errors import PtxError
from tests.native.cuda.ptx.global_memory import GlobalMemory
from tests.native.cuda.ptx.parse import Function, Instruction
from tests.native.cuda.ptx.registers import Array, Mask, Registers
from tests.native.cuda.ptx.shared_memory import SharedMemory

WARP = 32
AXES = "xyz"
NAMES = {"ld": "load", "st": "store", "cp": "cp.async"}  # of accesses, for counters
Size = tuple[int, int, int]


class Machine:
    """Lanes, registers, memories.

    All lanes run in step as long as they agree where to go. Where they don't, those that are furthest behind go first,
    so that they meet again. The order in which threads get to run is thus a single one; that no other would give
    another result is what shared memory and global memory check, access by access.
    """

    def __init__(
        self,
        function: Function,
        blocks: Sequence[Size],
        grid: Size,
        threads: Size,
        parameters: bytes,
        memory: GlobalMemory,
        shared: tuple[int, int],
        counters: Counters | None,
    ) -> None:
        """Blocks at their first instruction; `shared` is the bytes of shared memory and the unit of its checks."""
        in_block = threads[0] * threads[1] * threads[2]
        self.function, self.parameters, self.memory, self.counters = function, parameters, memory, counters
        self.count, self.warps = in_block * len(blocks), in_block * len(blocks) // WARP
        self.block_of = np.repeat(np.arange(len(blocks)), in_block)
        self.shared = SharedMemory(shared[0], self.block_of, shared[1])
        self.registers = Registers(function, self.count, _special(blocks, grid, threads))
        self._every = np.arange(self.count)
        self._all_alive = True
        self._alive = np.ones(self.count, bool)
        self._together: int | None = 0  # where all living lanes are; None when they are apart
        self._apart = np.zeros(self.count, np.int64)

    def next(self) -> tuple[int, Mask] | None:
        """Number of the next instruction and the lanes at it, which then are behind it; None at the end."""
        if self._together is None:
            place = int(self._apart[self._alive].min(initial=len(self.function.instructions)))
            mask = self._alive & (self._apart == place)
            if mask.sum() == self._alive.sum():
                self._together = place
            else:
                self._apart[mask] = place + 1
                return place, mask
        place = self._together
        if place == len(self.function.instructions):
            return None
        self._together = place + 1
        return place, None if self._all_alive else self._alive

    def branch(self, it: Instruction, mask: Mask) -> None:
        """Bra."""
        target = self.function.labels[it.arguments[0]]
        if self._together is None:
            self._apart[self._alive if mask is None else mask] = target
        elif mask is None or (mask == self._alive).all():
            self._together = target
        elif mask.any():
            self._apart[:] = self._together
            self._apart[mask] = target
            self._together = None

    def leave(self, it: Instruction, mask: Mask) -> None:
        """Ret."""
        self._alive = np.zeros_like(self._alive) if mask is None else self._alive & ~mask
        self._all_alive = False
        if not self._alive.any():
            self._together = len(self.function.instructions)

    def barrier(self, it: Instruction, mask: Mask) -> None:
        """bar.sync: of all living threads of a block."""
        if it.arguments != ("0",):
            raise PtxError("a barrier of part of a block")
        if mask is None or (mask == self._alive).all():
            self.shared.barrier(slice(None))
            return
        here = np.unique(self.block_of[mask])
        if (self._alive & ~mask)[np.isin(self.block_of, here)].any():
            raise PtxError("a barrier that not all threads of the block reach together")
        self.shared.barrier(here)

    def lanes(self, mask: Mask) -> Array:
        """Numbers of the lanes of a mask."""
        return self._every if mask is None else np.flatnonzero(mask)

    def read_shared(self, it: Instruction, lanes: Array, addresses: Array, size: int) -> Array:
        """A row of bytes for each lane."""
        if self.counters:
            self.counters.count_shared(_kind(it), lanes, addresses, size)
        return self.shared.read(lanes, addresses, size)

    def write_shared(self, it: Instruction, lanes: Array, addresses: Array, values: Array) -> None:
        """Sets a row of bytes for each lane."""
        if self.counters:
            self.counters.count_shared(_kind(it), lanes, addresses, values.shape[1])
        self.shared.write(lanes, addresses, values)

    def start_copy(self, it: Instruction, lanes: Array, addresses: Array, values: Array) -> None:
        """A row of bytes for each lane that arrives in shared memory later."""
        if self.counters:
            self.counters.count_shared("cp.async", lanes, addresses, values.shape[1])
        self.shared.start_copy(lanes, addresses, values)

    def read_global(self, it: Instruction, lanes: Array, addresses: Array, size: int, alignment: int = 0) -> Array:
        """A row of bytes for each lane; aligned to their number unless said otherwise."""
        self._count_global(it, lanes, addresses, size)
        return self.memory.read(addresses, size, alignment or size)

    def write_global(self, it: Instruction, lanes: Array, addresses: Array, values: Array) -> None:
        """Sets a row of bytes for each lane."""
        self._count_global(it, lanes, addresses, values.shape[1])
        self.memory.write(addresses, values)

    def _count_global(self, it: Instruction, lanes: Array, addresses: Array, size: int) -> None:
        if self.counters:
            for buffer, which in self.memory.touched(addresses, size, 1):
                self.counters.count_global(_kind(it), buffer.name, lanes[which], addresses[which], size)


def _kind(it: Instruction) -> str:
    """The name that counters have for an access."""
    return NAMES.get(it.opcode, it.opcode)


def _special(blocks: Sequence[Size], grid: Size, threads: Size) -> dict[str, Array]:
    """Special registers."""
    in_block = threads[0] * threads[1] * threads[2]
    if in_block % WARP:
        raise PtxError(f"blocks of {in_block} threads: not whole warps")
    lane = np.arange(in_block * len(blocks))
    thread = lane % in_block
    values = {"%laneid": lane % WARP}
    for axis, name in enumerate(AXES):
        values[f"%tid.{name}"] = thread // int(np.prod(threads[:axis])) % threads[axis]
        values[f"%ntid.{name}"] = np.full(len(lane), threads[axis])
        values[f"%nctaid.{name}"] = np.full(len(lane), grid[axis])
        values[f"%ctaid.{name}"] = np.array([block[axis] for block in blocks])[lane // in_block]
    return values


# bar.warp.sync orders nothing here: two lanes of a warp that share memory need a barrier, which is stricter than CUDA.
CONTROL = {
    "bra": (Machine.branch, "uni"),
    "ret": (Machine.leave, ""),
    "exit": (Machine.leave, ""),
    "bar": (Machine.barrier, "sync"),
}
