"""Whether a path may be opened and read to its end, and what is in it."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from cct.errors import CctError

_PART = 2**24  # bytes that are read at once


def check_regular(path: Path, error: type[CctError] = CctError) -> None:
    """Refuse, before it is opened, what is no file: a pipe would be waited for, a device may never end.

    Raises:
        CctError: of the class `error`: there is nothing, or a folder, pipe, socket or device.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as fault:
        raise error(f"{path} cannot be read: {fault.strerror}") from fault
    except ValueError as fault:  # a null character, which no file system takes
        raise error(f"{path} is no name that a file can have") from fault
    if stat.S_ISDIR(mode):
        raise error(f"{path} is a folder: give the file in it")
    if not stat.S_ISREG(mode):
        raise error(f"{path} is no regular file: save what it gives to one")


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file.

    Raises:
        CctError: it can't be read.
    """
    check_regular(path)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(_PART):
                digest.update(part)
    except OSError as error:
        raise CctError(f"{path} can't be read: {error.strerror}") from error
    return digest.digest()
