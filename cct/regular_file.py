"""Whether a path may be opened and read to its end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cct.errors import CctError


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
