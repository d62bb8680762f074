import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

LAYER, IMAGE = nn.Conv2d(1, 2, 3).eval(), torch.zeros(1, 1, 5, 5)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # TorchScript is on its way out
def test_programs_of_pytorch(tmp_path: Path, refused: Any) -> None:
    path = tmp_path / "x.pt"
    for scripted in (torch.jit.trace(LAYER, IMAGE), torch.jit.script(LAYER)):
        torch.jit.save(scripted, path)
        assert "is not a checkpoint but a TorchScript archive: save model.state_dict() and give --arch" in refused(path)
    torch.export.save(torch.export.export(LAYER, (IMAGE,)), path.with_suffix(".pt2"))
    assert "not a checkpoint but an exported program: save model.state_dict()" in refused(path.with_suffix(".pt2"))


def test_onnx(tmp_path: Path, refused: Any) -> None:
    for text in (
        '<ir_version: 10, opset_import: ["": 18]>',
        '<ir_version: 7, producer_name: "x", opset_import: ["": 9]>',
    ):
        graph = onnx.parser.parse_model(f"{text} g (float[1] x) => (float[1] y) {{ y = Relu (x) }}")
        onnx.save(graph, tmp_path / "m.pt")
        assert "not a checkpoint but an ONNX model: give the PyTorch checkpoint" in refused(tmp_path / "m.pt")


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def image(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 3)).save(buffer, kind)
    return buffer.getvalue()


def arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x_train=np.zeros(3))
    return buffer.getvalue()


OTHERS = {
    "Keras or HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a Keras file": zipped("metadata.json", "config.json", "model.weights.h5"),
    "an .npz of arrays: that is for --data": arrays(),
    "a zip archive of something else": zipped("readme.txt"),
    "TensorFlow SavedModel": b"\x08\x01\x12\xff\x01" + bytes(100),
    "TensorFlow Lite": b"\x1c\0\0\0TFL3" + bytes(100),
    "an image": image("png"),
    "an image: give": image("jpeg"),
    "gzip": b"\x1f\x8b\x08" + bytes(50),
    "a tar archive": bytes(257) + b"ustar" + bytes(300),
    "Git LFS pointer, not the file itself: run git lfs pull": b"version https://git-lfs.github.com/spec/v1\noid",
    "a web page": b"<!DOCTYPE html><html>",
    "JSON": b'{"a": 1}',
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_files(tmp_path: Path, refused: Any, what: str) -> None:
    (tmp_path / "x.pt").write_bytes(OTHERS[what])
    message = refused(tmp_path / "x.pt")
    assert "x.pt is not a checkpoint but " in message
    assert what in message


def test_a_single_byte(tmp_path: Path, refused: Any) -> None:
    for byte in (b"\x08", b"\x80", b"{", b"P"):
        (tmp_path / "x.pt").write_bytes(byte)
        assert "x.pt is " in refused(tmp_path / "x.pt")
