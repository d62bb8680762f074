"""`cct validate`: what is refused, and what options mean when there are two other files."""

from __future__ import annotations

import json

import onnx
import pytest
import torch

from cct.models import MODELS
from tests.support.process import MODEL

pytestmark = pytest.mark.usefixtures("one_thread")

NET = """
from cct.models import digits_net

print("hello from net.py")

def make():
    return digits_net()

def leaving():
    class Leaving(type(digits_net())):
        def forward(self, x):
            raise SystemExit(0)
    net = digits_net()
    net.__class__ = Leaving
    return net

def leaving_late():
    class Late(type(digits_net())):
        calls = 0
        def forward(self, x):
            Late.calls += 1
            return super().forward(x) if Late.calls < 3 else exit(0)
    net = digits_net()
    net.__class__ = Late
    return net
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with net.py and two.pt, which holds the weights of two networks of it."""
    (tmp_path / "net.py").write_text(NET)
    weights = torch.load(MODEL, weights_only=True)["state_dict"]
    torch.save({"model": weights, "model_ema": weights}, tmp_path / "two.pt")
    return tmp_path


@pytest.fixture
def validate(compressed, call):
    return lambda *given: call("validate", compressed / "m.onnx", "--data", "digits", *given)


def arch(folder, factory="make"):
    return "--arch", f"{folder / 'net.py'}:{factory}", "--key", "model"


@pytest.mark.parametrize("factory", ["leaving", "leaving_late"])
def test_a_network_that_exits_passes_no_gate(factory, folder, validate):
    code, out, err = validate("--baseline", folder / "two.pt", *arch(folder, factory), "--max-drop", 50)
    assert (code, out) == (2, "")
    assert "sys.exit(" in err or "called sys.exit" in err


def test_options_are_for_the_file_that_needs_them(compressed, folder, validate):
    given = "--baseline", folder / "two.pt", *arch(folder), "--parity", compressed / "m.pt", "--json"
    code, out, err = validate(*given)
    assert (code, err) == (0, "hello from net.py\n")
    assert "torch" in json.loads(out)["parity"]


def test_failures_are_told_beside_the_json(validate):
    code, out, err = validate("--goal", "size:threshold=0.001", "--json")
    assert code == 1
    assert json.loads(out)["passed"] is False
    assert err.startswith("FAILED size:threshold=0.001")


@pytest.mark.parametrize("given", [("--arch", "nosuch:thing"), ("--key", "q"), ("--trust-pickle",)])
def test_options_for_nothing(given, validate):
    code, out, err = validate(*given)
    assert (code, out) == (2, "")
    assert "give one with --baseline or --parity" in err


def test_an_onnx_baseline_near_chance(folder, call, validate):
    torch.manual_seed(0)
    content = torch.load(MODEL, weights_only=True)
    content["state_dict"] = MODELS["digits_net"]().state_dict()
    torch.save(content, folder / "untrained.pt")
    assert call("export", folder / "untrained.pt", "-o", folder / "untrained.onnx")[0] == 0
    (folder / "untrained.onnx").rename(folder / "untrained.bin")
    code, out, err = validate("--baseline", folder / "untrained.bin", "--max-drop", 1)
    assert (code, out) == (2, "")
    assert "near chance" in err


def test_a_foreign_baseline(folder, validate):
    text = '<ir_version: 10, opset_import: ["": 18]> g (float16[n,1,32,32] x) => (float16 y) { y = ReduceMax (x) }'
    onnx.save(onnx.parser.parse_model(text), folder / "f.onnx")
    code, out, err = validate("--baseline", folder / "f.onnx")
    assert (code, out) == (2, "")
    assert "it must take one tensor(float)" in err
