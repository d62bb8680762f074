"""Wrong files, each made in a folder: checkpoints, networks, images, ONNX models."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from tests.support.process import MODEL

ODD = """return Odd()

class Odd(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 8, 1)
    def forward(self, x):
        return torch.special.bessel_j0(super().forward(x))
"""


class Hostile:
    """Unpickled, it would leave a file in the current folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch foreign_code_ran",)


def saved(folder: Path, content: Any, name: str = "w.pt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def tampered(folder: Path, **changes: Any) -> Path:
    """The shipped checkpoint with something else in it."""
    return saved(folder, torch.load(MODEL, weights_only=True) | changes)


def poisoned(folder: Path, value: float) -> Path:
    content = torch.load(MODEL, weights_only=True)
    next(iter(content["state_dict"].values())).view(-1)[0] = value
    return saved(folder, content)


def network(folder: Path, body: str, weights: Any = None) -> list[Any]:
    """A file of the user's with a factory, and weights for it."""
    text = f"import torch\nfrom torch import nn\ndef make(**given):\n    {body}\n"
    net = written(folder, "net.py", text.encode())
    return [saved(folder, weights or {"weight": torch.zeros(1)}), "--arch", f"{net}:make"]


def images(folder: Path, names: tuple[str, ...] = ("a", "b"), splits: tuple[str, ...] = ("train", "val")) -> Path:
    """An ImageFolder of two images a class."""
    rng = np.random.default_rng(0)
    for split in splits:
        for name in names:
            home = folder / "images" / split / name
            home.mkdir(parents=True)
            for i in range(2):
                Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(home / f"{i}.png")
    (folder / "images").mkdir(exist_ok=True)
    return folder / "images"


def damaged(folder: Path) -> Path:
    home = images(folder)
    written(home / "train" / "a", "0.png", b"no image")
    return home


def arrays(folder: Path, **changes: Any) -> Path:
    """An .npz of 20 images."""
    rng = np.random.default_rng(0)
    content: dict[str, Any] = {}
    for split in ("train", "val"):
        content[f"x_{split}"] = rng.integers(0, 255, (20, 32, 32), np.uint8)
        content[f"y_{split}"] = np.arange(20) % 10
    content = {name: array for name, array in (content | changes).items() if array is not None}
    np.savez(folder / "d.npz", **content)
    return folder / "d.npz"


def pipe(folder: Path, name: str) -> Path:
    """What nobody writes to: to open it is to wait for ever."""
    os.mkfifo(folder / name)
    return folder / name


def endless(folder: Path, name: str) -> Path:
    (folder / name).symlink_to("/dev/zero")
    return folder / name


def postscript(folder: Path) -> Path:
    """A program that Ghostscript would run, called an image."""
    home = images(folder)
    box = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n"
    written(home / "train" / "a", "0.png", box + b"(foreign_code_ran) (w) file closefile showpage\n")
    return home


def pickled(folder: Path, instructions: bytes) -> Path:
    """The shipped checkpoint whose version is what instructions of a pickle make."""
    path = tampered(folder, cct_checkpoint="HERE")
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(b"X\x04\0\0\0HERE", instructions))
    return path


def colliding() -> bytes:
    """A dictionary whose keys all have one hash."""
    numbers = [(2**61 - 1) * (2**70 + i) for i in range(50_000)]
    return b"}(" + b"".join(b"\x8a\x12" + n.to_bytes(18, "little") + b"N" for n in numbers) + b"u"


def small_floats(folder: Path) -> Path:
    """The shipped checkpoint with weights of 4 bits, which PyTorch can keep and not compute with."""
    content = torch.load(MODEL, weights_only=True)
    name, weight = next(iter(content["state_dict"].items()))
    content["state_dict"][name] = torch.zeros(weight.shape, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    return saved(folder, content)


def program(folder: Path) -> Path:
    linear = torch.nn.Linear(2, 2)
    torch.export.save(torch.export.export(linear, (torch.zeros(1, 2),)), folder / "m.pt2")
    return folder / "m.pt2"


def script(folder: Path) -> Path:
    with pytest.warns(FutureWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder / "m.pt")
    return folder / "m.pt"


def foreign(folder: Path) -> Path:
    """A valid ONNX file of somebody else's."""
    text = '<ir_version: 10, opset_import: ["": 18]> g (float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Relu (x) }'
    onnx.save(onnx.parser.parse_model(text), folder / "f.onnx")
    return folder / "f.onnx"


def outside(folder: Path, compressed: Path) -> Path:
    """A packed file one of whose weights lies elsewhere."""
    proto = onnx.load(compressed / "m.onnx")
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../../../etc/passwd")
    (folder / "o.onnx").write_bytes(proto.SerializeToString())
    return folder / "o.onnx"


def forged(folder: Path, compressed: Path) -> Path:
    """A packed file whose channels index points outside."""
    proto = onnx.load(compressed / "m.onnx")
    at = next(i for i, t in enumerate(proto.graph.initializer) if t.name.endswith(".channels"))
    array = onnx.numpy_helper.to_array(proto.graph.initializer[at]).copy()
    array[-1] = 10_000
    proto.graph.initializer[at].CopyFrom(onnx.numpy_helper.from_array(array, proto.graph.initializer[at].name))
    onnx.save(proto, folder / "r.onnx")
    return folder / "r.onnx"


def doubling(folder: Path) -> Path:
    """Thirty functions, each of which calls the one before twice: a billion nodes."""
    head = '<ir_version: 10, opset_import: ["": 18, "f": 1]>'
    functions = ['<domain: "f", opset_import: ["": 18]> f0 (x) => (y) { y = Relu (x) }']
    for i in range(1, 31):
        body = f"{{ t = f.f{i - 1} (x) y = f.f{i - 1} (t) }}"
        functions.append(f'<domain: "f", opset_import: ["": 18, "f": 1]> f{i} (x) => (y) {body}')
    graph = f"{head} g (float[1,3,8,8] x) => (float[1,3,8,8] y) {{ y = f.f30 (x) }}"
    onnx.save(onnx.parser.parse_model("\n".join([graph, *functions])), folder / "f.onnx")
    return folder / "f.onnx"


def constant_outside(folder: Path, compressed: Path) -> Path:
    """A packed file with a constant that lies in another file."""
    proto = onnx.load(compressed / "m.onnx")
    tensor = onnx.TensorProto(name="k", data_type=onnx.TensorProto.FLOAT, dims=[4])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="k.bin")
    written(folder, "k.bin", bytes(16))
    proto.graph.node.append(onnx.helper.make_node("Constant", [], ["k"], value=tensor))
    (folder / "k.onnx").write_bytes(proto.SerializeToString())
    return folder / "k.onnx"


def in_the_way(folder: Path) -> Path:
    """An output whose working folder has a lock that leads elsewhere."""
    (folder / ".m.cct").mkdir()
    (folder / ".m.cct" / "lock").symlink_to("/none/lock")
    return folder / "m.onnx"


def by_pixel() -> torch.Tensor:
    """Weights of a linear classifier of digits that is far from chance: the mean image of each class."""
    from cct.data.load_data import load_data

    train = load_data("digits").train
    pixels, labels = train.__getitems__(list(range(len(train))))
    means = torch.stack([pixels[labels == digit].mean(0).flatten() for digit in range(10)])
    return means - means.mean(0)


def four_channels() -> Any:
    return np.random.default_rng(0).integers(0, 255, (20, 32, 32, 4), np.uint8)


def pointwise() -> dict[str, torch.Tensor]:
    return {"weight": torch.zeros(8, 3, 1, 1), "bias": torch.zeros(8)}
