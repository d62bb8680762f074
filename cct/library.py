"""Where the operator library is."""

from __future__ import annotations

import platform
import sys
from importlib.resources import files

from cct.errors import LibraryError


def supported() -> bool:
    """Whether this platform has an operator library at all (Linux on x86-64)."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


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
