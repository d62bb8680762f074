"""Shared memory of the blocks that run together, with what a sanitizer checks, and asynchronous copies into it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.native.cuda.ptx.errors import PtxError
from tests.native.cuda.ptx.registers import UNSIGNED, Array

NOBODY = -1
LANES = 1 << 16  # more than run together
MANY = LANES - 1


@dataclass
class Copy:
    """cp.async of some lanes that has not arrived; `group` counts each lane's groups before this copy's."""

    lanes: Array
    addresses: Array
    values: Array
    group: Array

    def of(self, which: Array) -> Copy:
        """That of some of these lanes."""
        return Copy(self.lanes[which], self.addresses[which], self.values[which], self.group[which])


class SharedMemory:
    """Every block's, one after the other.

    Two lanes may not access the same unit between two barriers if one of them writes. The unit is what the kernel
    accesses least at once, so that the bytes of two lanes never share one. For each unit the last writer and reader are
    kept as `epoch * LANES + lane`, where the epoch counts the block's barriers: what is less than `epoch * LANES`
    happened before the last barrier.

    Addresses that come in count from the start of the lane's own block.
    """

    def __init__(self, size: int, block_of: Array, unit: int) -> None:
        self._size, self._unit = size, unit
        self._pitch = -(-size // 128) * 128
        self._start = block_of.astype(np.int64) * self._pitch
        self._lane = np.arange(len(block_of))
        self._block = block_of
        blocks = int(block_of[-1]) + 1
        self._bytes = np.full(blocks * self._pitch, 0xA5, np.uint8)
        units = self._bytes.size // unit
        self._writer = np.full(units, NOBODY, np.int64)
        self._reader = np.full(units, NOBODY, np.int64)
        self._in_flight = np.zeros(units, bool)
        self._epoch = np.zeros(blocks, np.int64)
        self._copies: list[Copy] = []
        self._groups = np.zeros(len(block_of), np.int64)
        self._see_epoch()

    def barrier(self, blocks: Array | slice) -> None:
        """What happened in these blocks before is ordered before what follows."""
        self._epoch[blocks] += 1
        self._see_epoch()

    def read(self, lanes: Array, addresses: Array, size: int) -> Array:
        """A row of bytes for each lane."""
        places = self._places(lanes, addresses, size)
        units, me = self._units(places, size), self._me[lanes][:, None]
        floor = self._floor[lanes][:, None]
        self._refuse_use_in_flight(units)
        writer = self._writer[units]
        if (writer == NOBODY).any():
            raise PtxError(f"shared memory is read at byte {self._byte(units, writer == NOBODY)}, never written")
        if (race := (writer >= floor) & (writer != me)).any():
            byte = self._byte(units, race)
            raise PtxError(f"race: shared byte {byte} is read after another thread wrote it, no barrier")
        reader, many = self._reader[units], floor + MANY
        self._reader[units] = now = np.where((reader >= floor) & (reader != me), many, me)
        if (twice := self._reader[units] != now).any():  # several lanes read it at once
            self._reader[units[twice]] = np.broadcast_to(many, units.shape)[twice]
        values: Array = self._rows(size)[places // size].view(np.uint8)
        return values

    def write(self, lanes: Array, addresses: Array, values: Array) -> None:
        """Sets a row of bytes for each lane."""
        size = values.shape[1]
        places = self._places(lanes, addresses, size)
        self._claim(lanes, self._units(places, size))
        rows = self._rows(size)
        rows[places // size] = values.view(rows.dtype)

    def start_copy(self, lanes: Array, addresses: Array, values: Array) -> None:
        """Like a write that arrives when the lane waits for it."""
        size = values.shape[1]
        units = self._units(self._places(lanes, addresses, size), size)
        self._claim(lanes, units)
        self._in_flight[units] = True
        self._copies.append(Copy(lanes, addresses, values, self._groups[lanes]))

    def commit(self, lanes: Array) -> None:
        """Ends a group of copies of each lane."""
        self._groups[lanes] += 1

    def wait(self, lanes: Array, pending: int | None) -> None:
        """All but each lane's last `pending` groups arrive; None: all copies, whether in a group or not."""
        waits = np.zeros(len(self._lane), bool)
        waits[lanes] = True
        left = []
        for copy in self._copies:
            arrives = waits[copy.lanes]
            if pending is not None:
                arrives = arrives & (copy.group < self._groups[copy.lanes] - pending)
            if arrives.any():
                self._land(copy.of(arrives))
            if not arrives.all():
                left.append(copy.of(~arrives))
        self._copies = left

    def end(self) -> None:
        """Raises if something is still to arrive."""
        if self._copies:
            raise PtxError("a copy is in flight when the kernel ends")

    def _land(self, copy: Copy) -> None:
        size = copy.values.shape[1]
        units = self._units(self._places(copy.lanes, copy.addresses, size), size)
        self._in_flight[units] = False
        self.write(copy.lanes, copy.addresses, copy.values)

    def _claim(self, lanes: Array, units: Array) -> None:
        """A write: nobody else may have accessed these units since the barrier."""
        me, floor = np.broadcast_to(self._me[lanes][:, None], units.shape), self._floor[lanes][:, None]
        self._refuse_use_in_flight(units)
        for name, last in (("wrote", self._writer[units]), ("read", self._reader[units])):
            if (race := (last >= floor) & (last != me)).any():
                byte = self._byte(units, race)
                raise PtxError(f"race: shared byte {byte} is written after another thread {name} it, no barrier")
        self._writer[units] = me
        if (twice := self._writer[units] != me).any():
            raise PtxError(f"race: two lanes write shared byte {self._byte(units, twice)} at once")

    def _refuse_use_in_flight(self, units: Array) -> None:
        if (flying := self._in_flight[units]).any():
            raise PtxError(f"shared byte {self._byte(units, flying)} is used while a copy to it is in flight")

    def _places(self, lanes: Array, addresses: Array, size: int) -> Array:
        """Bytes in the memory of all blocks."""
        if len(addresses) and (int(addresses.min()) < 0 or int(addresses.max()) + size > self._size):
            raise PtxError(
                f"shared access out of bounds: bytes {addresses.min()} to {addresses.max() + size} of {self._size}"
            )
        if (addresses % size).any():
            raise PtxError(f"shared access is not aligned to {size} bytes")
        return self._start[lanes] + addresses

    def _rows(self, size: int) -> Array:
        """All memory by elements of this size, as rows of integers as wide as can be."""
        width = min(size, 8)
        return self._bytes.view(UNSIGNED[width]).reshape(-1, size // width)

    def _units(self, places: Array, size: int) -> Array:
        return places[:, None] // self._unit + np.arange(max(1, size // self._unit))

    def _byte(self, units: Array, where: Array) -> int:
        """The first marked byte, from the start of its block."""
        return int(units[where][0]) * self._unit % self._pitch

    def _see_epoch(self) -> None:
        self._floor = self._epoch[self._block] * LANES
        self._me = self._floor + self._lane
