"""The hidden folder beside an output: what a run saves on its way, and one run at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from cct.errors import CctError, StateError
from cct.signals import Ended

STATE = "training.pt"  # what a run is continued from; all else in the folder but the choices is made anew
_LOCK = "lock"


@contextmanager
def working_folder(output: Path, resume: bool = False) -> Iterator[Path]:
    """Give `.NAME.cct` beside `NAME.onnx`, to this process alone, for as long as the context lasts.

    It stays only after an interruption or error, and only if it holds a state that can be continued.

    Args:
        output: the file that the run is to write.
        resume: whether a state of an earlier run may be there.

    Raises:
        CctError: the folder can't be made, or another process works in it.
        StateError: it holds a state, and `resume` is false.
    """
    folder = output.with_name(f".{output.stem}.cct")
    lock = _lock(folder, output)
    try:
        if (folder / STATE).exists() and not resume:
            raise StateError(f"{folder} holds an interrupted run: continue it with --resume, or delete that folder")
        yield folder
    except BaseException as error:
        if not (folder / STATE).exists():
            _remove(folder)
        elif isinstance(error, KeyboardInterrupt | Ended):
            click.echo(f"{folder} keeps what is trained: the same command with --resume continues", err=True)
        raise
    else:
        _remove(folder)
    finally:
        with suppress(OSError):  # of a disk that fails: nothing was written to it
            os.close(lock)


def _lock(folder: Path, output: Path) -> int:
    """Make the folder and take it; the lock goes with the descriptor, however this process ends."""
    while True:
        is_new = _make(folder)
        try:
            if folder.is_symlink() or not _ours(folder):
                raise CctError(f"{folder} is in the way: it is no folder of cct")
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except FileNotFoundError:
            continue  # another run has just removed it
        except OSError as error:
            if is_new:
                _remove(folder)
            raise CctError(f"{folder} can't be used ({error.strerror}): give another --output") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise CctError(f"another cct is writing {output}: wait for it, or give another --output") from error
        except OSError as error:
            os.close(descriptor)
            if is_new:
                _remove(folder)
            raise CctError(f"{folder} can't be locked ({error.strerror}): give another --output") from error
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # another run has just removed the file that was locked


def _make(folder: Path) -> bool:
    """Whether it was not there."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    except OSError as error:
        raise CctError(f"{folder} can't be made ({error.strerror}): give another --output") from error
    return True


def _ours(folder: Path) -> bool:
    found = os.listdir(folder)
    return not found or _LOCK in found


def _remove(folder: Path) -> None:
    """The state first: without it the rest is worth nothing. The lock last: it marks the folder as ours."""
    with suppress(OSError):  # what can't be removed is in nobody's way; another run may have the folder already
        (folder / STATE).unlink(missing_ok=True)
        for entry in folder.iterdir():
            if entry.name != _LOCK:
                entry.unlink()
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()
