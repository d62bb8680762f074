"""Global memory: buffers with exact bounds, and who may read and write which byte of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from tests.native.cuda.ptx.errors import PtxError
from tests.native.cuda.ptx.registers import Array


class Buffer:
    """One array, at its own address.

    A launch may write a byte once, and no block may read what the launch writes: blocks run in any order.
    """

    def __init__(self, name: str, array: Array, written: bool) -> None:
        self.name, self.address = name, array.ctypes.data
        self.bytes = array.reshape(-1).view(np.uint8)
        if self.bytes.ctypes.data != self.address:
            raise ValueError(f"{name} is not contiguous")
        self._has_value = np.full(self.bytes.size, written)
        self.begin_launch(writable=False)

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + self.bytes.size

    def begin_launch(self, *, writable: bool) -> None:
        """What an earlier launch wrote is there to read."""
        self._writable = writable
        if writable:
            self._written = np.zeros(self.bytes.size, bool)
            self._read = np.zeros(self.bytes.size, bool)

    def note_read(self, offsets: Array, size: int) -> None:
        """Raises if a byte has no value, or gets another in this launch."""
        touched = (offsets[:, None] + np.arange(size)).ravel()
        if (missing := ~self._has_value[touched]).any():
            raise PtxError(f"{self.name} is read at byte {first(touched, missing)}, never written")
        if self._writable:
            if (now := self._written[touched]).any():
                raise PtxError(f"{self.name} is read at byte {first(touched, now)}, which this launch writes")
            self._read[touched] = True

    def note_write(self, offsets: Array, size: int) -> None:
        """Raises if the buffer is read only, or a byte was read or written before in this launch."""
        if not self._writable:
            raise PtxError(f"{self.name} is written at byte {int(offsets[0])}: it is an input")
        touched = (offsets[:, None] + np.arange(size)).ravel()
        before = self._written[touched] | self._read[touched]
        if before.any() or len(np.unique(offsets)) < len(offsets):
            where = first(touched, before) if before.any() else int(offsets.min())
            raise PtxError(f"{self.name} is written at byte {where}, which this launch has read or written before")
        self._written[touched] = self._has_value[touched] = True


class GlobalMemory:
    """All arrays of some launches."""

    def __init__(self) -> None:
        self._buffers: list[Buffer] = []

    def add(self, name: str, array: Array, *, written: bool = True) -> int:
        """Lets kernels read an array where it is; its address.

        Args:
            name: for errors and counters.
            array: contiguous.
            written: False for memory that has no values yet.
        """
        self._buffers.append(Buffer(name, array, written))
        return self._buffers[-1].address

    def begin_launch(self, writes: Collection[str]) -> None:
        """Launches of one stream run one after the other; this one may write these arrays."""
        for buffer in self._buffers:
            buffer.begin_launch(writable=buffer.name in writes)

    def read(self, addresses: Array, size: int, alignment: int) -> Array:
        """A row of bytes for each address."""
        values = np.empty((len(addresses), size), np.uint8)
        for buffer, which in self.touched(addresses, size, alignment):
            offsets = addresses[which] - buffer.address
            buffer.note_read(offsets, size)
            values[which] = buffer.bytes[offsets[:, None] + np.arange(size)]
        return values

    def write(self, addresses: Array, values: Array) -> None:
        """Sets a row of bytes at each address."""
        size = values.shape[1]
        for buffer, which in self.touched(addresses, size, size):
            offsets = addresses[which] - buffer.address
            buffer.note_write(offsets, size)
            buffer.bytes[offsets[:, None] + np.arange(size)] = values[which]

    def touched(self, addresses: Array, size: int, alignment: int) -> Iterator[tuple[Buffer, Array | slice]]:
        """The buffers that these accesses lie in, and which of the accesses."""
        if (unaligned := addresses % alignment != 0).any():
            raise PtxError(f"global access at 0x{first(addresses, unaligned):x} is not aligned to {alignment} bytes")
        least, most = int(addresses.min()), int(addresses.max()) + size
        outside = np.ones(len(addresses), bool)
        for buffer in self._buffers:
            if buffer.address <= least and most <= buffer.end:
                yield buffer, slice(None)
                return
            inside = (addresses >= buffer.address) & (addresses + size <= buffer.end)
            if inside.any():
                outside &= ~inside
                yield buffer, inside
        if outside.any():
            raise PtxError(f"global access out of bounds: {self._nearest(first(addresses, outside))}")

    def _nearest(self, address: int) -> str:
        def distance(buffer: Buffer) -> int:
            return max(buffer.address - address, address - buffer.end, 0)

        buffer = min(self._buffers, key=distance)
        return f"byte {address - buffer.address} of {buffer.name}, which has {buffer.bytes.size}"


def first(values: Array, where: Array) -> int:
    """The first value at a marked place."""
    return int(values[where][0])
