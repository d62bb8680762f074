"""Where the operator library is."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from importlib.resources import files

from cct.errors import LibraryError


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


def isa() -> str:
    """The ISA row that the library runs here: what `CCT_ISA` forces, else the first that the processor supports.

    Empty on a platform that has no library.
    """
    if not supported():
        return ""
    forced = os.environ.get("CCT_ISA")
    if forced:
        return forced
    library = ctypes.CDLL(library_path())
    library.cct_isa_name.restype = ctypes.c_char_p
    rows = (row for row in range(library.cct_isa_count()) if library.cct_isa_supported(row))
    return str(library.cct_isa_name(next(rows)).decode())
