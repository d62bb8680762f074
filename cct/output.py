"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cct.errors import CctError


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all.

    Raises:
        CctError: the file can't be written; nothing is left behind.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise CctError(f"{path}: can't be written ({error.strerror}): give another --output") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp gives 0600; the file is for others to read
        os.replace(name, path)
    except OSError as error:
        raise CctError(f"{path}: can't be written ({error.strerror}): give another --output") from error
    finally:
        Path(name).unlink(missing_ok=True)
