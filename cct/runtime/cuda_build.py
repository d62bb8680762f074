"""The CUDA routines in the operator library: what made them, and which GPUs run them."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass

from cct.runtime.library import load_library, supported

PTX = (8, 0)  # compute capability of the PTX in the library: CCT_CUDA_PTX of native/cuda/fatbin.cmake


@dataclass(frozen=True)
class CudaBuild:
    """The CUDA routines in the library.

    Attributes:
        nvcc: version of the compiler, (major, minor).
        capabilities: compute capabilities that have machine code, (major, minor), ascending.
    """

    nvcc: tuple[int, int]
    capabilities: list[tuple[int, int]]

    def __str__(self) -> str:
        capabilities = ", ".join(map(dotted, self.capabilities))
        return f"nvcc {dotted(self.nvcc)} for compute capability {capabilities}; PTX of {dotted(PTX)}"

    def image_for(self, capability: tuple[int, int]) -> str:
        """What of it a GPU runs; empty if nothing."""
        # Machine code is good for later GPUs of the same major number, PTX for all later ones.
        fits = [c for c in self.capabilities if c[0] == capability[0] and c <= capability]
        if fits:
            return f"machine code of {dotted(fits[-1])}"
        return f"PTX of {dotted(PTX)}, which the driver compiles" if capability >= PTX else ""


def cuda_build() -> CudaBuild | None:
    """What the library's CUDA routines were built with and for; None in a library without them.

    Raises:
        LibraryError: the library is missing or does not load.
    """
    if not supported():
        return None
    library = load_library()
    library.cct_cuda_build.restype = ctypes.c_char_p
    text = library.cct_cuda_build()
    if text is None:
        return None
    nvcc, *capabilities = ((int(major), int(minor)) for major, minor in re.findall(r"(\d+)\.(\d+)", text.decode()))
    return CudaBuild(nvcc, sorted(capabilities))


def dotted(version: tuple[int, int]) -> str:
    """A version as people write it."""
    return f"{version[0]}.{version[1]}"
