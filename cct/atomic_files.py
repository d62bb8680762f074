"""Writing files whole or not at all."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cct.errors import CctError

_SHOWN = 40  # characters of a name that a temporary name repeats: any name of ours must still fit with more around it


def check_output(path: Path, kept: Sequence[Path], beside: Sequence[Path] = ()) -> None:
    """Find out before any work whether an ONNX file can be put at `path`.

    Args:
        path: the file.
        kept: what it is made of, which must not be replaced.
        beside: further files that will be written.

    Raises:
        CctError: the name has no .onnx or is taken, or the folder is missing or not writable.
    """
    if path.suffix != ".onnx":
        raise CctError(f"--output {path}: give a name that ends in .onnx")
    for file in (path, *beside):
        check_target(file, f"--output {path}", kept)


def check_target(path: Path, option: str, kept: Sequence[Path]) -> None:
    """Find out before any work whether a file can be put at `path`.

    Args:
        path: the file.
        option: that asks for it, for the error.
        kept: files that must not be replaced.

    Raises:
        CctError: it is a folder or one of `kept`, or its folder is missing or not writable.
    """
    try:
        if path.is_dir():
            raise CctError(f"{option}: {path} is a folder; give another name")
        linked = path.exists() and any(file.exists() and path.samefile(file) for file in kept)
        if linked or path.resolve() in [file.resolve() for file in kept]:
            raise CctError(f"{option}: {path} would replace the model or another file of the run; give another name")
        writable = path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)
        if writable and os.path.lexists(path) and not _replaceable(path):
            raise CctError(f"{option}: {path} is there and can't be replaced, it belongs to another; give another name")
    except OSError as error:
        raise CctError(f"{option}: {path} can't be written ({error.strerror}); give another name") from error
    if not writable:
        raise CctError(f"{option}: {path.parent} is no folder that can be written to")


def _replaceable(path: Path) -> bool:
    """Whether a file can be kept aside and replaced; in a folder as /tmp is, only whose it is may replace it."""
    folder, file = path.parent.stat(), path.lstat()
    if not stat.S_ISLNK(file.st_mode) and not os.access(path, os.R_OK):
        return False
    return not folder.st_mode & stat.S_ISVTX or os.geteuid() in (0, folder.st_uid, file.st_uid)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for what is not kept; what can't be removed at the end, as on a failing disk, spoils no result."""
    with tempfile.TemporaryDirectory(prefix="cct-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def write(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole or not at all.

    Raises:
        CctError: the file can't be written; nothing is left behind.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:_SHOWN]}.")
    except OSError as error:
        raise CctError(f"{path} can't be written ({error.strerror}): make room there, or give another place") from error
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
        raise CctError(f"{path} can't be written ({error.strerror}): make room there, or give another place") from error
    finally:
        with suppress(OSError):  # a disk that fails has been told of
            os.unlink(name)


def place(targets: Mapping[Path, Path], backups: Path) -> None:
    """Move finished files to where they belong: all of them, or none.

    Args:
        targets: file -> where it belongs; one file system.
        backups: a folder for copies of what is replaced, named 0, 1, ...; whoever made it removes it.

    Raises:
        CctError: one can't be written; all are as they were, or else the line says which are not.
    """
    copies = {target: backups / str(number) for number, target in enumerate(targets.values())}
    touched: list[Path] = []
    target = backups
    try:
        for target, copy in copies.items():
            copy.unlink(missing_ok=True)
            if os.path.lexists(target):
                shutil.copy2(target, copy, follow_symlinks=False)
        for source, target in targets.items():
            touched.append(target)
            os.replace(source, target)
    except BaseException as error:
        moved = touched[:-1] if isinstance(error, OSError) else touched  # a rename that failed changed nothing
        changed = [str(path) for path in moved if not _put_back(path, copies[path])]
        if not isinstance(error, OSError):
            raise
        truth = f"; {' and '.join(changed)} can't be put back and may be new" if changed else ""
        raise CctError(f"{target} can't be written ({error.strerror}){truth}: give another --output") from error


def _put_back(path: Path, copy: Path) -> bool:
    try:
        if os.path.lexists(copy):
            os.replace(copy, path)
        else:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
