"""`cct inspect` on checkpoints and ONNX files."""

from __future__ import annotations

import json
import os

import numpy as np
import onnx
import pytest
import torch

from tests.support.cases import draw_packed, draw_values
from tests.support.process import MODEL

pytestmark = pytest.mark.usefixtures("one_thread")


def packed_file(folder, name="m.onnx"):
    """A file of one PatternConv and one Conv."""
    rng = np.random.default_rng(0)
    case = draw_values(rng, draw_packed(rng, out_channels=8, in_channels=4), (2, 4, 8, 8), {"pads": (1, 1, 1, 1)})
    proto = case.model()
    helper = onnx.helper
    proto.graph.node.append(helper.make_node("Conv", ["Y", "after.weight"], ["Z"], name="after"))
    weight = rng.standard_normal((2, 8, 1, 1)).astype(np.float32)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, "after.weight"))
    proto.graph.value_info.append(proto.graph.output[0])
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("Z", onnx.TensorProto.FLOAT, (2, 2, 8, 8)))
    proto.graph.node[0].name = "first\x1b[31m"
    proto.metadata_props.add(key="cct.recipe", value="compression = 4\nepochs = 1")
    onnx.save(proto, folder / name)
    return folder / name, case


def external(folder, location):
    """A foreign file with its weights elsewhere."""
    (folder / "there").mkdir()
    weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [2, 3, 1, 1], np.ones(6, "f4").tobytes(), raw=True)
    onnx.external_data_helper.set_external_data(weight, location)
    weight.ClearField("raw_data")
    (folder / "there" / location).write_bytes(np.ones(6, "f4").tobytes())
    proto = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 18]> g (float[1,3,4,4] x) => (float[1,2,4,4] y) { y = Conv (x, w) }'
    )
    proto.graph.initializer.append(weight)
    (folder / "there" / "m.onnx").write_bytes(proto.SerializeToString())
    return folder / "there" / "m.onnx"


def test_a_checkpoint_of_ours(call):
    code, out, err = call("inspect", MODEL, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["cct_inspect"] == 1
    first, second = told["layers"][:2]
    assert (first["layer"], first["counted"], first["why_not"]) == ("stem", False, "first convolution")
    assert (second["counted"], second["density"], second["packed_bytes"]) == (True, 1, 0)
    assert second["macs"] == np.prod(second["shape"]) * 16 * 16
    assert told["totals"]["prunable"] == 4
    assert told["totals"]["compression"] == {"prunable": 1, "convolutions": 1}
    assert told["totals"]["macs"] == told["totals"]["kept_macs"] == sum(layer["macs"] for layer in told["layers"])


def test_pruned_weights_show_block_and_pool(pruned, call):
    arch = "--arch", f"{pruned / 'net.py'}:unet"
    told = {}
    for size in ((), ("--size", "48x32")):
        code, out, _ = call("inspect", pruned / "unet.pt", *arch, *size, "--json")
        assert code == 0
        told[bool(size)] = json.loads(out)
    assert told[False]["totals"]["macs"] is None
    rows = {row["layer"]: row for row in told[True]["layers"]}
    down = rows["down.1.3"]
    assert (down["block"], down["patterns"], down["entries"]) == ([4, 1], 8, 4)
    assert down["macs"] == 64 * 64 * 9 * 24 * 16
    assert down["packed_bytes"] < down["dense_bytes"] / 3
    assert rows["widen.0"]["why_not"] == "ConvTranspose2d, not Conv2d"
    assert rows["widen.0"]["macs"] == 256 * 128 * 4 * 6 * 4  # every weight meets the pixels of the input
    assert told[True]["totals"]["compression"]["prunable"] == pytest.approx(4, rel=0.02)
    assert "see --size" in call("inspect", pruned / "unet.pt", *arch, "--size", "30")[2]
    text = call("inspect", pruned / "unet.pt", *arch)[1]
    assert "8x4" in next(line for line in text.splitlines() if line.startswith("down.1.3"))


def test_a_resnet_50_fits_into_100_columns(tmp_path, call):
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        module = torchvision.models.resnet50()
    weights = {name: torch.zeros(t.shape, dtype=t.dtype) for name, t in module.state_dict().items()}
    torch.save(weights, tmp_path / "w.pt")
    code, out, _ = call("inspect", tmp_path / "w.pt", "--arch", "torchvision.models:resnet50", "--size", "224")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    assert "convolutions 53, 48 prunable" in out
    assert "4087 M dense" in out


def test_a_packed_file(tmp_path, call):
    path, case = packed_file(tmp_path)
    code, out, err = call("inspect", path, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    ours, other = told["layers"]
    assert (ours["op"], ours["block"], ours["entries"], ours["types"]) == ("PatternConv", [4, 1], 4, "32")
    assert (ours["kept"], ours["packed_bytes"]) == (np.count_nonzero(case.packed.W), case.packed.nbytes)
    assert ours["macs"] == 8 * 4 * 9 * 64
    assert (other["layer"], other["op"], other["dense_bytes"], other["counted"]) == ("after", "Conv", 64, False)
    assert told["facts"]["cct.recipe"] == "compression = 4\nepochs = 1"
    text = call("inspect", path)[1]
    assert "\x1b" not in text  # a file must not drive the terminal
    assert "compression = 4\\nepochs = 1" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_foreign_file_with_weights_beside_it(tmp_path, call):
    code, out, _ = call("inspect", external(tmp_path, "w.bin"))
    assert code == 0
    assert "no PatternConv" in out
    assert "convolutions 1, 0 packed" in out


@pytest.mark.parametrize("name", ["M.ONNX", "model"])
def test_an_onnx_file_of_any_name(name, tmp_path, call):
    path, _ = packed_file(tmp_path, name)
    code, out, _ = call("inspect", path)
    assert code == 0
    assert "1 PatternConv" in out


def test_what_a_factory_prints_is_no_result(pruned, tmp_path, call):
    (tmp_path / "loud.py").write_text(
        "from benchmarks.networks.foreign import UNet\nprint('hello')\ndef make():\n    return UNet()\n"
    )
    code, out, err = call("inspect", pruned / "unet.pt", "--arch", f"{tmp_path / 'loud.py'}:make", "--json")
    assert (code, err) == (0, "hello\n")
    assert json.loads(out)["cct_inspect"] == 1


def cut(folder):
    path, _ = packed_file(folder)
    path.write_bytes(path.read_bytes()[:-50])
    return path


def renumbered(folder):
    path, _ = packed_file(folder)
    proto = onnx.load(path)
    channels = next(t for t in proto.graph.initializer if t.name == "channels")
    array = onnx.numpy_helper.to_array(channels).copy()
    array[-1] = 10_000
    channels.CopyFrom(onnx.numpy_helper.from_array(array, "channels"))
    onnx.save(proto, path)
    return path


def oversized(folder):
    """A checkpoint of ours that would take terabytes to try."""
    content = torch.load(MODEL, weights_only=True) | {"arch_args": {"in_channels": 20000}, "size": [4096, 4096]}
    content["mean"] = content["std"] = None
    stem = content["state_dict"]["stem.weight"]
    content["state_dict"]["stem.weight"] = torch.zeros(len(stem), 20000, *stem.shape[2:])
    torch.save(content, folder / "w.pt")
    return folder / "w.pt"


def named(folder, name):
    (folder / name).write_bytes(b"no checkpoint")
    return folder / name


def short(folder):
    path = external(folder, "w.bin")
    (path.parent / "w.bin").write_bytes(b"123")
    return path


WRONG = {
    "cut": (lambda f: [cut(f)], "no valid ONNX model"),
    "forged": (lambda f: [renumbered(f)], "channels"),
    "weights outside": (lambda f: [external(f, "../w.bin")], "no valid ONNX model"),
    "weights that are too short": (lambda f: [short(f)], "can't be read"),
    "more than memory": (lambda f: [oversized(f)], "an input of 1x20000x4096x4096 is too large"),
    "a name of two lines": (lambda f: [named(f, "a\n\x1b[31mb")], "a\\n\\x1b[31mb"),
    "an argument twice": (lambda f: [MODEL, "--arch-arg", "a=1", "--arch-arg", "a=2"], "--arch-arg a is given twice"),
    "options of a checkpoint": (lambda f: [packed_file(f)[0], "--arch", "a:b"], "for checkpoints"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(case, tmp_path, call):
    arguments, message = WRONG[case]
    given = arguments(tmp_path)
    before = sorted(os.listdir(tmp_path))
    code, out, err = call("inspect", *given)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before
