"""`cct export`: what is pruned is packed, compared with torch, and written."""

from __future__ import annotations

import json
import os

import numpy as np
import onnx
import pytest
import torch

import cct
from benchmarks.networks.foreign import UNet
from cct.operator.spec import NAME
from cct.recipe.recipe import Recipe
from tests.support.process import MODEL

pytestmark = pytest.mark.usefixtures("one_thread")


def options(pruned, factory="unet"):
    return "--arch", f"{pruned / 'net.py'}:{factory}", "--size", "32x24"


def test_a_pruned_network_is_packed(pruned, tmp_path, call):
    code, out, err = call("export", pruned / "unet.pt", *options(pruned), "-o", tmp_path / "m.onnx", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["cct_export"] == 2
    assert told["proven"] == sum(layer["op"] == NAME for layer in told["layers"]) == 13
    assert {layer["reason"] for layer in told["layers"] if layer["op"] == "ConvTranspose"} == {
        "a transposed convolution"
    }
    assert max(told["parity"].values()) < 1e-5
    assert told["bytes"] == (tmp_path / "m.onnx").stat().st_size
    assert os.listdir(tmp_path) == ["m.onnx"]
    stated = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert stated["cct.size"] == "32 24"
    assert stated["cct.source_sha256"] == told["source"]["sha256"]
    module = UNet()
    module.load_state_dict(torch.load(pruned / "unet.pt", weights_only=True))
    x = torch.randn(3, 3, 32, 24)
    with torch.no_grad():
        want = module.eval()(x).numpy()
    assert np.allclose(cct.session(tmp_path / "m.onnx").run(None, {"input": x.numpy()})[0], want, atol=1e-4)


def test_types_and_portable_files(pruned, tmp_path, call):
    sizes = {}
    forms = {"plain": (), "half": ("--weights", "float16"), "all": ("--activations", "float16")}
    model = pruned / "small.pt", *options(pruned, "small")
    for name, given in (forms | {"inline": ("--portable", "inline")}).items():
        code, out, err = call("export", *model, *given, "-o", tmp_path / f"{name}.onnx")
        assert (code, err) == (0, "")
        assert "parity       on 8 images, library against body" in out
        assert out.splitlines()[-1] == f"wrote        {tmp_path / f'{name}.onnx'}"
        sizes[name] = (tmp_path / f"{name}.onnx").stat().st_size
    for name, dense, packed in (("plain", "32", "32"), ("half", "32", "32/16"), ("all", "16", "16")):
        rows = json.loads(call("inspect", tmp_path / f"{name}.onnx", "--json")[1])["layers"]
        assert [(row["layer"], row["types"]) for row in rows] == [("0", dense), ("2", packed), ("4", packed)]
    assert sizes["half"] < 0.8 * sizes["plain"]
    assert sizes["all"] < sizes["half"]
    assert not onnx.load(tmp_path / "inline.onnx").functions


@pytest.mark.parametrize("given", [(), ("--activations", "float32")])
def test_types_are_those_of_the_recipe(given, tmp_path, call):
    content = torch.load(MODEL, weights_only=True)
    content["recipe"] = Recipe(compression=3, activations="float16", portable=True).to_toml()
    torch.save(content, tmp_path / "h.pt")
    code, out, _ = call("export", tmp_path / "h.pt", *given, "-o", tmp_path / "m.onnx", "--json")
    assert code == 0
    activations = "float32" if given else "float16"
    assert json.loads(out)["types"]["activations"] == activations
    stated = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    wanted = Recipe(compression=3, activations=activations)
    assert Recipe.from_toml(stated["cct.recipe"]) == wanted


@pytest.mark.parametrize("recipe", ["= [", "colour = 3"])
def test_a_recipe_that_is_none(recipe, tmp_path, call):
    torch.save(torch.load(MODEL, weights_only=True) | {"recipe": recipe}, tmp_path / "h.pt")
    code, out, _ = call("export", tmp_path / "h.pt", "-o", tmp_path / "m.onnx", "--json")
    assert code == 0
    assert json.loads(out)["types"] == {"weights": "float32", "activations": "float32"}
    assert "cct.recipe" not in {p.key for p in onnx.load(tmp_path / "m.onnx").metadata_props}


def test_all_outputs_are_compared(pruned, tmp_path, call):
    torch.save(torch.nn.Conv2d(3, 4, 3).state_dict(), tmp_path / "w.pt")
    code, out, _ = call("export", tmp_path / "w.pt", *options(pruned, "several"), "-o", tmp_path / "m.onnx")
    assert code == 0
    assert "packed       0 of 1 convolutions: the file is plain dense ONNX" in out
    assert [o.name for o in cct.session(tmp_path / "m.onnx").get_outputs()]


def conv(folder):
    torch.save(torch.nn.Conv2d(3, 4, 3).state_dict(), folder / "w.pt")
    return folder / "w.pt"


def noisy(folder):
    torch.save({f"conv.{k}": v for k, v in torch.nn.Conv2d(3, 4, 3).state_dict().items()}, folder / "w.pt")
    return folder / "w.pt"


def flat(folder):
    torch.save(torch.nn.Linear(3, 4).state_dict(), folder / "w.pt")
    return folder / "w.pt"


WRONG = {
    "no size": (lambda p, f: [p / "unet.pt", *options(p)[:2]], "give --size"),
    "no arch": (lambda p, f: [p / "unet.pt"], "--arch"),
    "output name": (lambda p, f: [p / "unet.pt", *options(p), "-o", f / "m.bin"], "ends in .onnx"),
    "output folder": (lambda p, f: [p / "unet.pt", *options(p), "-o", f / "none" / "m.onnx"], "no folder"),
    "size that does not fit": (
        lambda p, f: [p / "unet.pt", *options(p)[:2], "--size", "30"],
        "does not run on images of 3x30x30",
    ),
    "size that is none": (lambda p, f: [p / "unet.pt", *options(p)[:2], "--size", "0x3"], "'0x3' is no size"),
    "no export": (lambda p, f: [conv(f), *options(p, "branching")], "can't export Branching"),
    "no images": (lambda p, f: [flat(f), *options(p, "flat")], "no 2-D convolution"),
    "other answers each time": (lambda p, f: [noisy(f), *options(p, "noisy")], "answers wrongly"),
    "infinite answers": (lambda p, f: [conv(f), *options(p, "infinite")], "NaN or infinity"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_nothing_is_written(case, pruned, tmp_path, call, monkeypatch):
    arguments, message = WRONG[case]
    given = arguments(pruned, tmp_path)
    monkeypatch.chdir(tmp_path)  # the default output is in the current folder
    before = os.listdir(tmp_path)
    code, out, err = call("export", *given)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert os.listdir(tmp_path) == before


def test_the_model_is_not_replaced(pruned, tmp_path, call):
    weights = tmp_path / "m.onnx"
    weights.write_bytes((pruned / "unet.pt").read_bytes())
    code, _, err = call("export", weights, *options(pruned), "-o", weights)
    assert code == 2
    assert "would replace the model" in err
