import io
import pickle
import struct
import time
import warnings
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from cct.checkpoint.check_pickle import check_parts, check_pickle

EMPTY_DICT, EMPTY_TUPLE, STOP = b"\x80\x02}", b")", b"."


def check(content: bytes) -> None:
    check_pickle(io.BytesIO(content))


def test_what_torch_writes_passes() -> None:
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
    buffer = io.BytesIO()
    content = {"a": OrderedDict(b=torch.zeros(2, 2)), "c": (1, (2.0, "x")), "d": optimizer.state_dict(), "e": {1, 2}}
    torch.save(content, buffer)
    with zipfile.ZipFile(buffer) as archive:
        check(archive.read("archive/data.pkl"))


@pytest.mark.parametrize(
    "key",
    [
        EMPTY_TUPLE + b"\x85" * 1_000_000,  # ((((...)))): to hash it overflows the C stack
        EMPTY_TUPLE + b"q\x00h\x00\x86" * 60,  # t = (t, t) sixty times: to hash it takes 2**60 steps
        EMPTY_TUPLE + b"r\x00\x01\x00\x00j\x00\x01\x00\x00\x86" * 60,
        b"(" + EMPTY_TUPLE * 200_000 + b"t",
    ],
)
def test_tuples_made_to_be_hashed_forever(key: bytes) -> None:
    with pytest.raises(ValueError, match="tuples that no checkpoint needs"):
        check(EMPTY_DICT + key + b"K\x01s" + STOP)


@pytest.mark.parametrize(
    "content", [b"", b".", b"\x80\x02", b"\x80\x02h\x05.", b"\x80\x02t.", b"\xff\xff", b"\x80\x02q\x00."]
)
def test_what_is_no_pickle(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        check(content)


def test_every_small_change_is_judged() -> None:
    whole = pickle.dumps({"a": (1, 2, (3,)), "b": [1.5, "x"]}, protocol=2)
    for at in range(len(whole)):
        for value in range(0, 256, 5):
            try:
                check(whole[:at] + bytes([value]) + whole[at + 1 :])
            except ValueError:
                continue


def test_parts_longer_than_the_file() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(10_000_000))
    with (
        zipfile.ZipFile(buffer) as archive,
        pytest.raises(ValueError, match=r"claims 10000000 bytes in a file of \d{4}$"),
    ):
        check_parts(archive, len(buffer.getvalue()))


def long1(number: int) -> bytes:
    content = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def glob(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


PRIME = 2**61 - 1  # Python's hash of a whole number is its rest
MANY = [long1(PRIME * (number + 2**70)) for number in range(20_000)]
PAIRS = [b"K\x01J" + struct.pack("<i", number) + b"\x86" for number in range(20_000)]
COMPLEX = [b"h\x01" + b"".join(b"G" + struct.pack(">d", n) for n in (i, -i)) + b"\x86RN" for i in range(9_000)]
LIST = b"](" + b"".join(MANY) + b"e"
KEYS = {
    "keys": EMPTY_DICT + b"".join(number + b"Ns" for number in MANY) + STOP,
    "keys at once": EMPTY_DICT + b"(" + b"".join(number + b"N" for number in MANY) + b"u" + STOP,
    "pairs": EMPTY_DICT + b"(" + b"".join(pair + b"N" for pair in PAIRS) + b"u" + STOP,
    "a set": b"\x80\x02" + glob("__builtin__", "set") + LIST + b"\x85R" + STOP,
    "a set of a tuple": b"\x80\x02" + glob("builtins", "set") + b"((" + b"".join(MANY) + b"ttR" + STOP,
    "a counter": b"\x80\x02" + glob("collections", "Counter") + LIST + b"\x85R" + STOP,
    "an ordered dictionary": b"\x80\x02" + glob("collections", "OrderedDict")
    + b"](" + b"".join(b"](" + number + b"Ne" for number in MANY) + b"e\x85R" + STOP,
    "one key by one key": EMPTY_DICT + b"(" + EMPTY_TUPLE * 4_000 + b"tq\x01Ns" + b"h\x01Ns" * 5 + STOP,
    "complex numbers": EMPTY_DICT + b"(" + glob("builtins", "complex") + b"q\x01" + b"".join(COMPLEX)[2:] + b"u" + STOP,
}  # fmt: skip


@pytest.mark.parametrize("how", KEYS)
def test_keys_made_to_collide(how: str) -> None:
    with pytest.raises(ValueError, match="keys that no checkpoint needs"):
        check(KEYS[how])


def test_a_list_that_grows_after_it_was_counted() -> None:
    """Pairs for an OrderedDict that are empty when they are put into the list of pairs."""
    pairs = b"".join(b"]r" + struct.pack("<i", i) for i in range(9_000))
    filled = b"".join(b"j" + struct.pack("<i", i) + b"(" + MANY[i] + b"Ne0" for i in range(9_000))
    content = b"\x80\x02" + glob("collections", "OrderedDict") + b"](" + pairs + b"e" + filled + b"\x85R" + STOP
    with pytest.raises(ValueError, match="puts something where nothing can be put"):
        check(content)


def test_reading_collisions_takes_no_time(tmp_path: Path, refused: Any, save: Any, forge: Any) -> None:
    """Half a megabyte that torch alone reads for minutes."""
    numbers = b"".join(long1(PRIME * (number + 2**70)) + b"N" for number in range(60_000))
    path = forge(save({"a": "HERE"}), b"X\x04\0\0\0HERE", b"}(" + numbers + b"u")
    start = time.monotonic()
    assert "is no checkpoint, or is damaged (has keys that no checkpoint needs" in refused(path)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "call",
    [
        glob("builtins", "bytearray") + b"\x8a\x06\x00\x00\x00\x00\x00\x10\x85R",
        glob("__builtin__", "bytearray") + b"\x8a\x06\x00\x00\x00\x00\x00\x10\x85R",
        glob("_codecs", "encode") + b"X\x01\0\0\0aX\x03\0\0\0hex\x86R",
        glob("torch._tensor", "_rebuild_from_type_v2")
        + b"(" + glob("builtins", "bytearray") + b"q\x01h\x01K\x07\x85NtR",
        glob("torch", "FloatTensor") + b"K\x07\x85R",
        glob("torch", "FloatTensor") + b"K\x07\x85\x81",
        glob("torch.storage", "UntypedStorage") + b"K\x07\x85R",
        glob("torch._utils", "_rebuild_device_tensor_from_cpu_tensor") + b")R",
        glob("torch._utils", "_rebuild_wrapper_subclass") + b")R",
        glob("torch._utils", "_rebuild_nested_tensor") + b")R",
    ],
)  # fmt: skip
def test_calls_that_take_memory(call: bytes) -> None:
    with pytest.raises(ValueError, match="as no checkpoint needs to"):
        check(b"\x80\x02" + call + STOP)


def test_what_else_a_training_keeps_passes() -> None:
    """Beside weights: numpy's and Python's generators, sets, bytes, counters, keys that are numbers or tuples."""
    rng = {"state": {"state": 2**127 + 5, "inc": 2**100}, "random": tuple(range(625))}
    counts = Counter(range(9_000))
    content = {"rng": rng, "b": b"\xff\0", "a": bytearray(b"\xff"), "s": set(range(50_000)), "c": counts, 1 + 2j: 3}
    content |= {(i, f"layer{i}"): i for i in range(500)}
    content |= {"adam": {i: torch.zeros(1) for i in range(2_000)}, "history": [[0.5, 1.5]] * 10_000}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with zipfile.ZipFile(buffer) as archive:
        check(archive.read("archive/data.pkl"))
    buffer.seek(0)
    torch.load(buffer, weights_only=True)


def test_two_parts_of_one_name() -> None:
    for other in ("archive/data.pkl", "archive/DATA.pkl"):
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("archive/data.pkl", b".")
                archive.writestr(other, b"N.")
        with zipfile.ZipFile(buffer) as archive, pytest.raises(ValueError, match="two parts of one name"):
            check_parts(archive, len(buffer.getvalue()))


def test_more_instructions_than_any_checkpoint() -> None:
    with pytest.raises(ValueError, match="more instructions"):
        check(b"\x80\x02" + b"}" * 1_000_001 + STOP)
