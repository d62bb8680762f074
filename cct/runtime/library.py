"""Where the operator library is, and its ISA rows."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from importlib.resources import files

from cct.errors import LibraryError
from cct.messages import first_line


def supported() -> bool:
    """Whether this platform has an operator library at all: Linux on x86-64 or aarch64."""
    return sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")


def library_path() -> str:
    """Path of libcct_ops.so, for `SessionOptions.register_custom_ops_library`.

    Raises:
        LibraryError: the installation has no library.
    """
    # Not relative to __file__: in an editable install the .py files and the .so live in different folders.
    path = files("cct").joinpath("libcct_ops.so")
    if not path.is_file():
        raise LibraryError(f"{path} is missing: reinstall cct where a C++17 compiler is present")
    return str(path)


def load_library() -> ctypes.CDLL:
    """The library's C functions (native/cpu/pattern_conv.h, native/cuda/cuda_conv.h).

    Raises:
        LibraryError: the library is missing or does not load.
    """
    path = library_path()
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise LibraryError(f"{path} does not load: {first_line(error)}") from error


@dataclass(frozen=True)
class IsaRow:
    """The library's routines for one instruction set.

    Attributes:
        name: of the instruction set.
        supported: the processor has it.
        serves_training: the sparse products of training are faster with it than the dense ones of torch.
    """

    name: str
    supported: bool
    serves_training: bool


def isa_rows() -> list[IsaRow]:
    """The ISA rows of the library, best first; the first that is supported runs. None where there is no library.

    Raises:
        LibraryError: the library is missing or does not load.
    """
    if not supported():
        return []
    library = load_library()
    library.cct_isa_name.restype = ctypes.c_char_p
    return [
        IsaRow(
            library.cct_isa_name(row).decode(),
            bool(library.cct_isa_supported(row)),
            bool(library.cct_isa_serves_training(row)),
        )
        for row in range(library.cct_isa_count())
    ]


def isa() -> str:
    """The ISA row that the library runs here: what `CCT_ISA` forces, else the first that the processor supports.

    Empty on a platform that has no library.
    """
    if not supported():
        return ""
    return os.environ.get("CCT_ISA") or next(row.name for row in isa_rows() if row.supported)


def serves_training() -> bool:
    """Whether the row that runs here serves training.

    Raises:
        LibraryError: the library is missing or does not load.
    """
    running = isa()
    return any(row.serves_training for row in isa_rows() if row.name == running)
