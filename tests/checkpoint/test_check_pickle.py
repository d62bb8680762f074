import io
import pickle
import zipfile
from collections import OrderedDict

import pytest
import torch

from cct.checkpoint.check_pickle import check_pickle, check_sizes

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
        check_sizes(archive, len(buffer.getvalue()))
