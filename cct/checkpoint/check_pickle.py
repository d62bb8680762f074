"""What torch.load(weights_only=True) does not check: sizes that a file claims, and tuples made to be hashed forever."""

from __future__ import annotations

import pickletools
from typing import BinaryIO, cast
from zipfile import ZipFile

_DEEPEST = 50  # tuples in tuples; torch writes at most 4
_LARGEST = 100_000  # what is in a tuple, and in the tuples in it

_Shape = tuple[int, int]  # of a value on the stack: how deep its tuples are, and how much is in them


def check_sizes(archive: ZipFile, length: int) -> None:
    """Refuse an archive whose parts are longer than the file: it is compressed, or its parts overlap.

    Raises:
        ValueError: says so.
    """
    claimed = sum(part.file_size for part in archive.infolist())
    if claimed > length:
        raise ValueError(f"claims {claimed} bytes in a file of {length}")


def check_pickle(stream: BinaryIO) -> None:
    """Read one pickle's instructions, execute none, and refuse tuples that are too deep or too large.

    A tuple can be the key of a dictionary. To hash a million tuples in each other exhausts the C stack of Python, and
    to hash one that holds another twice, which holds another twice, takes forever.

    Raises:
        ValueError: says so, or that this is no pickle.
    """
    try:
        _check_tuples(stream)
    except (IndexError, KeyError) as error:
        raise ValueError("uses what it has not made") from error


def _check_tuples(stream: BinaryIO) -> None:
    stacks: list[list[_Shape]] = [[]]  # a new one at each mark
    memo: dict[int, _Shape] = {}
    for code, argument, _ in pickletools.genops(stream):
        if code.name == "MARK":
            stacks.append([])
        elif code.name in ("BINGET", "LONG_BINGET"):
            stacks[-1].append(memo[cast(int, argument)])
        elif code.name in ("BINPUT", "LONG_BINPUT"):
            memo[cast(int, argument)] = stacks[-1][-1]
        elif code.name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
            taken = _take(stacks, code)
            depth, size = 1 + max((d for d, _ in taken), default=0), 1 + sum(s for _, s in taken)
            if depth > _DEEPEST or size > _LARGEST:
                raise ValueError("has tuples that no checkpoint needs")
            stacks[-1].append((depth, size))
        else:  # torch's reader stops at the few instructions that would copy a tuple some other way
            _take(stacks, code)
            stacks[-1] += [(0, 1)] * len(code.stack_after)


def _take(stacks: list[list[_Shape]], code: pickletools.OpcodeInfo) -> list[_Shape]:
    """Take from the stack what an instruction uses up."""
    below, taken = len(code.stack_before), []
    if pickletools.markobject in code.stack_before:
        below, taken = code.stack_before.index(pickletools.markobject), stacks.pop()
    for _ in range(below):
        taken.append(stacks[-1].pop())
    return taken
