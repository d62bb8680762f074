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


class Fenced:
    """A copy of an array, `array`, that begins or ends where the memory does; valid as long as this object."""

    def __init__(self, values: NDArray[Any], at_end: bool) -> None:
        room = -(-max(values.nbytes, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
        self._size = room + 2 * mmap.PAGESIZE
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._memory = _LIBC.mmap(None, self._size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        assert self._memory not in (None, 2**64 - 1)
        inside = self._memory + mmap.PAGESIZE
        for fence in (self._memory, inside + room):
            assert _LIBC.mprotect(fence, mmap.PAGESIZE, _NO_ACCESS) == 0
        at = inside + (room - values.nbytes if at_end else 0)
        self._bytes = (ctypes.c_char * values.nbytes).from_address(at)
        self.array: NDArray[Any] = np.frombuffer(self._bytes, values.dtype).reshape(values.shape)
        self.array[...] = values

    def __del__(self) -> None:
        _LIBC.munmap(self._memory, self._size)
