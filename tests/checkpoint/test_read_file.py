import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from cct.checkpoint.load_model import load_model
from cct.model_source import ModelSource

RESNET = "cct.models:resnet20"


def test_safetensors(tmp_path: Path, net: nn.Module, same: Any, refused: Any) -> None:
    content = safetensors.torch.save(net.state_dict())
    for name in ("w.safetensors", "w.pt"):
        (tmp_path / name).write_bytes(content)
        assert same(load_model(ModelSource(tmp_path / name, RESNET)).module, net)
    assert "holds weights alone: name its network" in refused(tmp_path / "w.safetensors", None)


@pytest.mark.parametrize(
    "content",
    [
        b"certainly something else",
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 100)
        + b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'.ljust(100),
        struct.pack("<Q", 100)
        + b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}'.ljust(100)
        + bytes(4),
        struct.pack("<Q", 100) + b"[" * 100,
        pickle.dumps({"a": 1}),
    ],
)
def test_damaged_safetensors(tmp_path: Path, refused: Any, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    assert "w.safetensors is damaged: no safetensors" in refused(tmp_path / "w.safetensors")


def test_files_before_and_after_pytorch_1_6(net: nn.Module, save: Any, same: Any) -> None:
    for new in (True, False):
        path = save(net.state_dict(), _use_new_zipfile_serialization=new)
        assert same(load_model(ModelSource(path, RESNET)).module, net)


def test_what_cannot_be_read(tmp_path: Path, net: nn.Module, save: Any, refused: Any) -> None:
    path = tmp_path / "x.pt"
    assert "cannot be read: No such file" in refused(path)
    path.write_bytes(b"")
    assert "is empty" in refused(path)
    for content in (b"certainly something else", b"x", b"\x80", b"PK\x03\x04"):
        path.write_bytes(content)
        assert "x.pt is " in refused(path)
    for new in (True, False):
        whole = save(net.state_dict(), _use_new_zipfile_serialization=new).read_bytes()
        for length in (1, 100, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:length])
            assert "x.pt is " in refused(path)
    assert "is a folder: give the file in it" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe.pt")
    assert "is no regular file" in refused(tmp_path / "pipe.pt")
    (tmp_path / "loop.pt").symlink_to("loop.pt")
    assert "cannot be read: Too many levels" in refused(tmp_path / "loop.pt")


def test_a_damaged_archive(net: nn.Module, save: Any, refused: Any) -> None:
    path = save(net.state_dict())
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")  # the archive's directory
    content[at : at + 4] = b"none"
    path.write_bytes(content)
    assert "is no checkpoint, or is damaged" in refused(path)


def test_sizes_that_the_file_cannot_hold(net: nn.Module, save: Any, refused: Any, forge: Any) -> None:
    ten, many = b"K\n", b"J" + struct.pack("<i", 2_000_000_000)
    assert "is no checkpoint, or is damaged" in refused(forge(save({"w": torch.zeros(10)}), ten, many))
    path = save(net.state_dict())
    whole = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, bytes(10**8) if name.endswith("data/0") else source.read(name))
    assert path.stat().st_size < 10**7
    assert "is no checkpoint, or is damaged" in refused(path)


def test_tuples_made_to_be_hashed_forever(save: Any, refused: Any, forge: Any) -> None:
    path = forge(save({"w": 10}), b"X\x01\x00\x00\x00w", b")" + b"\x85" * 1_000_000)
    assert "is no checkpoint, or is damaged" in refused(path)


def written_by(kind: str, content: object, path: Path) -> Path:
    if kind == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    return path


@pytest.mark.parametrize("kind", ["zip", "before zip", "pickle"])
@pytest.mark.parametrize("where", ["top", "nested", "own", "beside"])
def test_code_in_a_file_does_not_run(tmp_path: Path, refused: Any, hostile: Any, kind: str, where: str) -> None:
    content = {
        "top": hostile,
        "nested": {"state_dict": {"a": {"b": [hostile]}}},
        "own": {"cct_checkpoint": 1, "arch": "resnet20", "arch_args": hostile},
        "beside": {"model": {"w": torch.zeros(1)}, "epoch": hostile},
    }[where]
    message = refused(written_by(kind, content, tmp_path / "x.pt"))
    assert (
        "a pickle that torch.save did not write" in message
        if kind == "pickle"
        else "it asks for posix.system" in message
    )
    assert not hostile.target.exists()


def test_the_proof_would_show(tmp_path: Path, refused: Any, hostile: Any) -> None:
    """The same file, trusted: so the test above can fail."""
    path = written_by("zip", {"w": hostile}, tmp_path / "x.pt")
    refused(path, trust_pickle=True)
    assert hostile.target.exists()


def test_what_is_safe_is_not_trusted_with_more(tmp_path: Path, net: nn.Module, save: Any, same: Any) -> None:
    loaded = load_model(ModelSource(save(net.state_dict()), RESNET, trust_pickle=True))
    assert same(loaded.module, net)


def test_whole_modules_need_trust(net: nn.Module, save: Any, same: Any, refused: Any) -> None:
    path = save(net)
    message = refused(path, None)
    assert (
        "holds more than weights, it asks for cct.models.resnet_cifar.ResNetCifar, and reading that runs code"
        in message
    )
    assert "save model.state_dict() alone, or give --trust-pickle if you trust the file" in message
    for content in (net, nn.DataParallel(net), net.half(), {"model": net, "epoch": 3}):
        loaded = load_model(ModelSource(save(content), trust_pickle=True))
        assert same(loaded.module, net.float())
        assert (loaded.arch, loaded.arch_args, loaded.module.training) == (None, {}, False)
    named = load_model(ModelSource(path, RESNET, trust_pickle=True))
    assert named.arch == "resnet20"
    assert same(named.module, net)


def test_several_modules_need_a_key(net: nn.Module, save: Any, same: Any, refused: Any) -> None:
    path = save({"model": nn.Linear(1, 1), "ema": net})
    assert "choose one with --key, of model, ema" in refused(path, None, trust_pickle=True)
    assert same(load_model(ModelSource(path, key="ema", trust_pickle=True)).module, net)


def test_what_else_a_training_run_pickles_needs_trust(net: nn.Module, save: Any, same: Any, refused: Any) -> None:
    import argparse

    path = save({"model": net.state_dict(), "args": argparse.Namespace(lr=0.1)})
    assert "it asks for argparse.Namespace" in refused(path)
    assert same(load_model(ModelSource(path, RESNET, trust_pickle=True)).module, net)


def test_trusted_files_that_fail(tmp_path: Path, net: nn.Module, save: Any, refused: Any, forge: Any) -> None:
    path = forge(save(nn.Linear(1, 1)), b"torch.nn.modules.linear\nLinear", b"somewhere_else.nets\nLinear")
    message = refused(path, None, trust_pickle=True)
    assert "needs code that is not here (No module named 'somewhere_else')" in message
    with torch.no_grad():
        net.get_parameter("linear.bias")[0] = float("nan")
    assert "linear.bias holds NaN or infinity" in refused(save(net), None, trust_pickle=True)
    old = nn.Linear(1, 1)
    del old._buffers
    assert "holds a module that cannot be used (AttributeError" in refused(save(old), None, trust_pickle=True)
