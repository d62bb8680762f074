"""Global memory: buffers with exact bounds, and who may read and write which byte of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from native.cuda.ptx.errors import PtxError
from native.cuda.ptx.registers import Array

ALIGNMENT = 256  # what the driver's allocator promises
FIRST = 1 << 28
POISON = 0xA5


class Buffer:
    """One allocation.

    A launch may write a byte once, and no block may read what the launch writes: blocks run in any order.
    """

    def __init__(self, name: str, address: int, array: Array, writable: bool, written: bool) -> None:
        self.name, self.address, self.size, self.writable = name, address, array.nbytes, writable
        self.storage = np.full(self.size, POISON, np.uint8)
        if written:
            self.storage[:] = np.frombuffer(array.tobytes(), np.uint8)
        self._is_written = np.full(self.storage.size, written) if writable else None
        self.begin_launch()

    def begin_launch(self) -> None:
        """What an earlier launch wrote is there to read."""
        if self.writable:
            self._written_now = np.zeros(self.storage.size, bool)
            self._read_now = np.zeros(self.storage.size, bool)

    def note_read(self, offsets: Array, size: int) -> None:
        """Raises if a byte has no value, or gets another in this launch."""
        if self._is_written is None:
            return
        touched = (offsets[:, None] + np.arange(size)).ravel()
        if not self._is_written[touched].all():
            raise PtxError(f"{self.name} is read at byte {first(touched, ~self._is_written[touched])}, never written")
        if self._written_now[touched].any():
            where = first(touched, self._written_now[touched])
            raise PtxError(f"{self.name} is read at byte {where}, which this launch writes")
        self._read_now[touched] = True

    def note_write(self, offsets: Array, size: int) -> None:
        """Raises if the buffer is read only, or a byte was read or written before in this launch."""
        if self._is_written is None:
            raise PtxError(f"{self.name} is written at byte {int(offsets[0])}: it is an input")
        touched = (offsets[:, None] + np.arange(size)).ravel()
        before = self._written_now[touched] | self._read_now[touched]
        if before.any() or len(np.unique(offsets)) < len(offsets):
            where = first(touched, before) if before.any() else int(offsets.min())
            raise PtxError(f"{self.name} is written at byte {where}, which this launch has read or written before")
        self._written_now[touched] = self._is_written[touched] = True


class GlobalMemory:
    """All buffers of some launches."""

    def __init__(self) -> None:
        self._buffers: list[Buffer] = []
        self._next = FIRST

    def add(self, name: str, array: Array, *, writable: bool = False, written: bool = True, offset: int = 0) -> int:
        """Address of a new buffer with the array's bytes.

        Args:
            name: for errors, counters and `content`.
            array: what it holds.
            writable: by kernels.
            written: False for memory that has no values yet.
            offset: bytes from an aligned address.
        """
        address = self._next + offset
        self._buffers.append(Buffer(name, address, array, writable, written))
        self._next = -(-(address + array.nbytes + ALIGNMENT) // ALIGNMENT) * ALIGNMENT
        return address

    def content(self, name: str) -> Array:
        """Bytes of a buffer."""
        (buffer,) = (buffer for buffer in self._buffers if buffer.name == name)
        return buffer.storage.copy()

    def begin_launch(self) -> None:
        """Launches of one stream run one after the other."""
        for buffer in self._buffers:
            buffer.begin_launch()

    def read(self, addresses: Array, size: int, alignment: int) -> Array:
        """A row of bytes for each address."""
        values = np.empty((len(addresses), size), np.uint8)
        for buffer, which in self.touched(addresses, size, alignment):
            offsets = addresses[which] - buffer.address
            buffer.note_read(offsets, size)
            values[which] = buffer.storage[offsets[:, None] + np.arange(size)]
        return values

    def write(self, addresses: Array, values: Array) -> None:
        """Sets a row of bytes at each address."""
        size = values.shape[1]
        for buffer, which in self.touched(addresses, size, size):
            offsets = addresses[which] - buffer.address
            buffer.note_write(offsets, size)
            buffer.storage[offsets[:, None] + np.arange(size)] = values[which]

    def touched(self, addresses: Array, size: int, alignment: int) -> Iterator[tuple[Buffer, Array | slice]]:
        """The buffers that these accesses lie in, and which of the accesses."""
        if (unaligned := addresses % alignment != 0).any():
            raise PtxError(f"global access at 0x{first(addresses, unaligned):x} is not aligned to {alignment} bytes")
        least, most = int(addresses.min()), int(addresses.max()) + size
        outside = np.ones(len(addresses), bool)
        for buffer in self._buffers:
            begin, end = buffer.address, buffer.address + buffer.size
            if begin <= least and most <= end:
                yield buffer, slice(None)
                return
            inside = (addresses >= begin) & (addresses + size <= end)
            if inside.any():
                outside &= ~inside
                yield buffer, inside
        if outside.any():
            raise PtxError(f"global access out of bounds: {self._nearest(first(addresses, outside))}")

    def _nearest(self, address: int) -> str:
        def distance(buffer: Buffer) -> int:
            return max(buffer.address - address, address - buffer.address - buffer.size, 0)

        buffer = min(self._buffers, key=distance)
        return f"byte {address - buffer.address} of {buffer.name}, which has {buffer.size}"


def first(values: Array, where: Array) -> int:
    """The first value at a marked place."""
    return int(values[where][0])
