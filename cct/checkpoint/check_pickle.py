"""What torch.load(weights_only=True) does not check: claimed sizes, hashes without end, calls that take memory."""

from __future__ import annotations

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter
from dataclasses import dataclass
from typing import Any, BinaryIO
from zipfile import ZipFile

_MOST = 1_000_000  # instructions; a tensor takes about 25
_DEEPEST = 50  # tuples in tuples; torch writes at most 4
_LARGEST = 100_000  # what is in a tuple, and in the tuples in it
_MOST_HASHED = 5_000  # of what a file can choose the hash of, in all keys
_CHOSEN_FROM = 2**64  # smaller numbers of one hash are few
_GET, _PUT = ("BINGET", "LONG_BINGET"), ("BINPUT", "LONG_BINPUT")
_TUPLES = ("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")
_LATIN = "latin1"  # how bytes are written
_HASHING = ("builtins.set", "collections.Counter", "collections.OrderedDict")
_REBUILD = "torch._utils._rebuild_"
_WITH_CALL = "torch._tensor._rebuild_from_type_v2"  # calls what it is given
# Of what makes tensors and is allowed by torch, what neither takes memory for numbers that the file does not hold, nor
# makes a tensor without any.
_MAKERS = {
    f"{_REBUILD}{what}"
    for what in ("tensor", "tensor_v2", "tensor_v3", "parameter", "parameter_with_state", "qtensor", "sparse_tensor",
                 "meta_tensor_no_storage")
}  # fmt: skip


@dataclass(slots=True, eq=False)
class _Value:
    """Something on the stack of the machine that a pickle is a program of.

    Attributes:
        what: of a text, its first characters; of a global, its name.
        items: of a tuple.
        depth: of tuples in a tuple.
        size: of a tuple, itself and all that is in it.
        chosen: how much of it, as a key, has a hash that a file can choose; texts are hashed with a secret.
        inside: the same of what is in a tuple, list or dictionary.
        is_text: whether it is one, or bytes.
        grows: whether more can be put into it.
        held: whether it is in a list or tuple, and must not grow any more.
    """

    what: str = ""
    items: tuple[_Value, ...] | None = None
    depth: int = 0
    size: int = 1
    chosen: int = 0
    inside: int = 0
    is_text: bool = False
    grows: bool = False
    held: bool = False


_PLAIN, _TEXT = _Value(), _Value(is_text=True)


def check_parts(archive: ZipFile, length: int) -> None:
    """Refuse an archive whose parts are longer than the file, for it is compressed or they overlap, or share a name.

    Of two parts with one name, torch may read the other one; it takes capital letters for small ones.

    Raises:
        ValueError: says so.
    """
    claimed = sum(part.file_size for part in archive.infolist())
    if claimed > length:
        raise ValueError(f"claims {claimed} bytes in a file of {length}")
    names = Counter(name.lower() for name in archive.namelist())
    if names and max(names.values()) > 1:
        raise ValueError("has two parts of one name")


def check_pickle(stream: BinaryIO) -> None:
    """Read one pickle's instructions, execute none, and refuse what takes far more time or memory than the file.

    1. Tuples: to hash a million of them in each other exhausts the C stack of Python, and to hash one that holds
       another twice, which holds another twice, takes forever.
    2. Keys of one hash: each is compared with all before it. Of whole numbers beyond 64 bits, of tuples and of complex
       numbers anybody can make as many as they like.
    3. Calls: bytearray(10**12), or a tensor that is copied after it was expanded, are a few bytes in a file.

    Raises:
        ValueError: says so, or that this is no pickle.
    """
    try:
        _Machine().run(stream)
    except (IndexError, KeyError) as error:
        raise ValueError("uses what it has not made") from error


class _Machine:
    """What torch's reader would do, with what matters of each value in its place."""

    def __init__(self) -> None:
        self.stacks: list[list[_Value]] = [[]]  # a new one at each mark
        self.memo: dict[int, _Value] = {}
        self.hashed = 0

    def run(self, stream: BinaryIO) -> None:
        for number, (code, argument, _) in enumerate(pickletools.genops(stream)):
            if number >= _MOST:
                raise ValueError("has more instructions than any checkpoint")
            self.step(code, argument)
            if self.hashed > _MOST_HASHED:
                raise ValueError("has keys that no checkpoint needs")

    def step(self, code: pickletools.OpcodeInfo, argument: Any) -> None:
        name, stacks = code.name, self.stacks
        if name == "MARK":
            stacks.append([])
        elif name in _GET:
            stacks[-1].append(self.memo[argument])
        elif name in _PUT:
            self.memo[argument] = stacks[-1][-1]
        elif name in _TUPLES:
            taken = self.take(code)
            stacks[-1].append(_tuple(taken if name == "TUPLE" else taken[::-1]))
        elif name == "GLOBAL":
            stacks[-1].append(_Value(what=_full_name(argument)))
        elif name in ("REDUCE", "NEWOBJ"):
            given, called = self.take(code)
            stacks[-1].append(self.call(called.what, given))
        elif name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD"):
            *taken, target = self.take(code)
            self.put(name, taken, target)
            stacks[-1].append(target)
        else:  # torch's reader stops at the few instructions that would copy a value some other way
            self.take(code)
            stacks[-1] += [_made(code, argument) for _ in code.stack_after]

    def take(self, code: pickletools.OpcodeInfo) -> list[_Value]:
        """Take from the stack what an instruction uses up: what is above the mark, then downwards."""
        below, taken = len(code.stack_before), []
        if pickletools.markobject in code.stack_before:
            below, taken = code.stack_before.index(pickletools.markobject), self.stacks.pop()
        for _ in range(below):
            taken.append(self.stacks[-1].pop())
        return taken

    def put(self, name: str, taken: list[_Value], target: _Value) -> None:
        """Put values into a list or dictionary, or attributes into an object."""
        if name == "BUILD":
            self.hashed += taken[0].inside
            return
        if not target.grows or (target.held and name.startswith("APPEND")):
            raise ValueError("puts something where nothing can be put")
        if name.startswith("APPEND"):
            for item in taken:
                item.held = True
                target.inside += item.chosen + item.inside
            return
        keys = taken[1:] if name == "SETITEM" else taken[::2]
        chosen = sum(key.chosen for key in keys)
        target.inside += chosen
        self.hashed += chosen

    def call(self, called: str, given: _Value) -> _Value:
        """Call a global with a tuple; what torch does not allow at all is left to it."""
        if given.items is None:
            raise ValueError("calls something without a tuple")
        items, maker = given.items, called
        if called == _WITH_CALL:
            maker = items[0].what
            fits = maker in _MAKERS
        elif called == "_codecs.encode":
            fits = len(items) == 2 and items[0].is_text and items[1].what == _LATIN
        elif called == "builtins.bytearray":
            fits = all(item.is_text for item in items)
        else:
            makes = called.startswith((_REBUILD, "torch.storage.")) or _is_class_of_tensors(called)
            fits = called in _MAKERS or not makes
        if not fits:
            raise ValueError(f"calls {maker} as no checkpoint needs to: save model.cpu().state_dict()")
        if called in _HASHING:
            self.hashed += sum(item.inside + item.chosen for item in items)
        if called == "_codecs.encode":  # bytes, which are hashed as texts are
            return _TEXT
        return _Value(chosen=given.size, inside=given.inside, grows=True)


def _made(code: pickletools.OpcodeInfo, argument: Any) -> _Value:
    """What an instruction makes of nothing but its argument."""
    if code.name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"):
        return _Value(grows=True)
    if isinstance(argument, str):
        return _Value(argument, is_text=True) if argument == _LATIN else _TEXT
    return _Value(chosen=1) if isinstance(argument, int) and abs(argument) >= _CHOSEN_FROM else _PLAIN


def _tuple(items: list[_Value]) -> _Value:
    for item in items:
        item.held = True
    depth, size = 1 + max((i.depth for i in items), default=0), 1 + sum(i.size for i in items)
    if depth > _DEEPEST or size > _LARGEST:
        raise ValueError("has tuples that no checkpoint needs")
    inside = sum(i.inside + i.chosen for i in items)
    return _Value(items=tuple(items), depth=depth, size=size, chosen=size, inside=inside)


def _is_class_of_tensors(name: str) -> bool:
    """Whether a global is one such as torch.FloatTensor or torch.cuda.HalfStorage."""
    return name.startswith("torch.") and name.count(".") <= 2 and name.endswith(("Tensor", "Storage"))


def _full_name(argument: str) -> str:
    """Of a global, as torch looks for it: Python 2's names are those of Python 3."""
    module, _, name = argument.partition(" ")
    if (module, name) in NAME_MAPPING:
        module, name = NAME_MAPPING[module, name]
    return f"{IMPORT_MAPPING.get(module, module)}.{name}"
