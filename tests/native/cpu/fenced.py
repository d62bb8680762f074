"""Memory between pages that nobody may touch: who reads beyond an array is stopped by the processor."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_NO_ACCESS = 0


_UNTOUCHED = 0xA5  # a byte of the memory around the array


class Fenced:
    """A copy of an array, `array`, that begins or ends where the memory does; valid as long as this object."""

    def __init__(self, values: NDArray[Any], at_end: bool, gap: int = 0) -> None:
        """Makes the copy; with a gap it lies so many bytes from the end of the memory, or from its start."""
        room = -(-max(values.nbytes + gap, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
        self._size = room + 2 * mmap.PAGESIZE
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._memory = _LIBC.mmap(None, self._size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        assert self._memory not in (None, 2**64 - 1)
        inside = self._memory + mmap.PAGESIZE
        for fence in (self._memory, inside + room):
            assert _LIBC.mprotect(fence, mmap.PAGESIZE, _NO_ACCESS) == 0
        before = room - values.nbytes - gap if at_end else gap
        everything = np.ndarray(room, np.uint8, (ctypes.c_char * room).from_address(inside))
        everything[...] = _UNTOUCHED
        self._around = everything[:before], everything[before + values.nbytes :]
        self._bytes = (ctypes.c_char * values.nbytes).from_address(inside + before)
        self.array: NDArray[Any] = np.ndarray(values.shape, values.dtype, self._bytes)
        self.array[...] = values

    def is_alone(self) -> bool:
        """Whether nothing was written beside the array."""
        return all((around == _UNTOUCHED).all() for around in self._around)

    def __del__(self) -> None:
        _LIBC.munmap(self._memory, self._size)
