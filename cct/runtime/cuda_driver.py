"""NVIDIA's driver, as far as it tells which GPUs there are. Through ctypes: nothing of CUDA is imported or linked."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass

from cct.errors import LibraryError
from cct.messages import first_line, printable

_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_...


@dataclass(frozen=True)
class Gpu:
    """One GPU: its name, compute capability (major, minor) and bytes of memory."""

    name: str
    capability: tuple[int, int]
    bytes: int

    def __str__(self) -> str:
        major, minor = self.capability
        return f"{printable(self.name)}, compute capability {major}.{minor}, {self.bytes / 2**30:.0f} GiB"


@dataclass(frozen=True)
class Driver:
    """What the driver says.

    Attributes:
        cuda: the newest CUDA that it runs, (major, minor).
        gpus: by number; those that CUDA_VISIBLE_DEVICES hides are not among them.
        problem: why there are none, in the driver's words.
    """

    cuda: tuple[int, int]
    gpus: list[Gpu]
    problem: str = ""


def find_driver() -> Driver:
    """Ask the driver; the environment variable CCT_LIBCUDA names another file than libcuda.so.1, as for the library.

    Raises:
        LibraryError: there is none, or it is too old.
    """
    try:
        driver = ctypes.CDLL(os.environ.get("CCT_LIBCUDA") or "libcuda.so.1")
    except OSError as error:
        raise LibraryError(f"there is no NVIDIA driver here ({first_line(error)}): install it") from error
    try:
        version = _int(driver.cuDriverGetVersion)
        cuda = version // 1000, version % 1000 // 10
        failed = driver.cuInit(0)
        if failed:
            return Driver(cuda, [], _error(driver, failed))
        return Driver(cuda, [_gpu(driver, number) for number in range(_int(driver.cuDeviceGetCount))])
    except AttributeError as error:
        raise LibraryError(f"the NVIDIA driver here is too old ({first_line(error)}): install a newer one") from error


def _gpu(driver: ctypes.CDLL, number: int) -> Gpu:
    device = _int(driver.cuDeviceGet, number)
    name, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(size), device)
    capability = [_int(driver.cuDeviceGetAttribute, attribute, device) for attribute in (_MAJOR, _MINOR)]
    return Gpu(name.value.decode(errors="replace"), (capability[0], capability[1]), size.value)


def _int(function: Callable[..., int], *arguments: int) -> int:
    """What a function writes to its first argument; 0 when it fails."""
    value = ctypes.c_int()
    function(ctypes.byref(value), *arguments)
    return value.value


def _error(driver: ctypes.CDLL, number: int) -> str:
    """Name and meaning of an error."""
    texts = []
    for function in (driver.cuGetErrorName, driver.cuGetErrorString):
        text = ctypes.c_char_p()
        function(number, ctypes.byref(text))
        texts.append((text.value or b"error").decode(errors="replace"))
    return f"{texts[0]} ({number}): {texts[1]}"
