"""Bytes -> tensors, numbers and text: `.safetensors`, and what torch.save wrote."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from cct.checkpoint.check_pickle import check_parts, check_pickle
from cct.checkpoint.recognize import recognize_archive, recognize_head
from cct.errors import CheckpointError
from cct.messages import first_line, printable
from cct.regular_file import check_regular
from cct.user_code import allow_imports_from

_HEAD = 512  # bytes
_ZIP = b"PK\x03\x04"
_BEFORE_ZIP = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)  # how torch.save began before PyTorch 1.6
_PICKLES_BEFORE_ZIP = 5  # magic number, protocol, machine, content, names of the storages


def read_file(path: Path, trust_pickle: bool) -> tuple[Any, str]:
    """Read what a file holds.

    Args:
        path: the file.
        trust_pickle: whether code that the file names may run, if it can't be read otherwise.

    Returns:
        The content, and the file's sha256.

    Raises:
        CheckpointError: the file is no checkpoint; says what it is and what to give instead.
    """
    content = _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    if _is_safetensors(path, content):
        try:
            return safetensors.torch.load(content), sha256
        except Exception as error:  # safetensors raises several kinds
            raise CheckpointError(f"{path} is damaged: no safetensors ({first_line(error)})") from error
    if content.startswith(b"\x80") and not content.startswith(_BEFORE_ZIP):
        raise CheckpointError(f"{path} is a pickle that torch.save did not write: torch.save(model.state_dict(), ...)")
    try:
        _check(path, content)
        return _load(content, weights_only=True), sha256
    except CheckpointError:
        raise
    except Exception as error:  # torch.load raises whatever the bytes provoke
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code is None:
            raise CheckpointError(f"{path} is no checkpoint, or is damaged") from error
        if not trust_pickle:
            raise CheckpointError(
                f"{path} holds more than weights, it asks for {printable(code[1])}, and reading that runs code: "
                "save model.state_dict() alone, or give --trust-pickle if you trust the file"
            ) from error
    return _load_trusted(path, content), sha256


def _read(path: Path) -> bytes:
    check_regular(path, CheckpointError)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if not head:
                raise CheckpointError(f"{path} is empty")
            what = recognize_head(head) if not _is_safetensors(path, head) else None
            if what is not None:
                raise CheckpointError(f"{path} is not a checkpoint but {what}")
            return head + file.read()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except MemoryError as error:
        raise CheckpointError(f"{path} is larger than the memory") from error


def _is_safetensors(path: Path, content: bytes) -> bool:
    """By its name, or because the length of a header comes first and then the header, which is JSON."""
    return path.suffix == ".safetensors" or (
        content[8:9] == b"{" and struct.unpack("<Q", content[:8])[0] < 2**32 and not content.startswith(_ZIP)
    )


def _check(path: Path, content: bytes) -> None:
    """Refuse what would be dangerous or pointless to give to torch.

    Raises:
        CheckpointError: the file is something else, or hostile.
        Exception: the file is damaged.
    """
    stream = io.BytesIO(content)
    try:
        if not content.startswith(_ZIP):
            for _ in range(_PICKLES_BEFORE_ZIP):
                check_pickle(stream)
            return
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
            what = recognize_archive(names)
            if what is not None:
                raise CheckpointError(f"{path} is not a checkpoint but {what}")
            check_parts(archive, len(content))
            for name in names:
                if name.lower().split("/")[-1] == "data.pkl":
                    check_pickle(io.BytesIO(archive.read(name)))
    except ValueError as error:
        raise CheckpointError(f"{path} is no checkpoint, or is damaged ({first_line(error)})") from error


def _load(content: bytes, weights_only: bool) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pickle protocols: what matters is raised
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=weights_only)


def _load_trusted(path: Path, content: bytes) -> Any:
    """Unpickle, which runs code that the file names: the user said so."""
    allow_imports_from(Path())
    try:
        return _load(content, weights_only=False)
    except (ImportError, AttributeError) as error:
        where = "run cct where its code can be imported, or save model.state_dict() alone"
        raise CheckpointError(f"{path} needs code that is not here ({first_line(error)}): {where}") from error
    except (Exception, SystemExit) as error:  # the code can raise anything
        raise CheckpointError(f"{path} cannot be unpickled ({type(error).__name__}: {first_line(error)})") from error
