"""`cct bench`: files side by side."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

import cct
from cct.report.comparison import Comparison, File
from cct.report.node_time import NodeTime
from cct.report.timing import Ratio, Timing, Timings
from cct.runtime.library import isa, supported
from tests.support.cases import draw_packed, draw_values

QUICK = "--rounds", 2


@pytest.fixture
def packed(tmp_path):
    """A packed file, the same with its function expanded, and another for larger images."""
    rng = np.random.default_rng(0)
    case = draw_values(rng, draw_packed(rng, out_channels=16, in_channels=16), (1, 16, 9, 9), {"pads": (1, 1, 1, 1)})
    proto = case.model()
    proto.graph.node[0].name = "layer"
    onnx.save(proto, tmp_path / "packed.onnx")
    onnx.save(onnx.inliner.inline_local_functions(proto), tmp_path / "plain.onnx")
    onnx.save(replace(case, x=np.zeros((1, 16, 11, 11), np.float32)).model(), tmp_path / "larger.onnx")
    return tmp_path


def foreign(folder, signature, body):
    text = f'<ir_version: 10, opset_import: ["": 18]> g {signature} {{ {body} }}'
    onnx.save(onnx.parser.parse_model(text), folder / "foreign.onnx")
    return folder / "foreign.onnx"


def test_side_by_side(packed, call):
    files = packed / "packed.onnx", "--against", packed / "plain.onnx", "--against", packed / "packed.onnx"
    code, out, err = call("bench", *files, *QUICK, "--threads", "1,2", "--layers", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["cct_bench"] == 2
    assert [file["pattern_convs"] for file in told["files"]] == [1, 0, 1]
    assert told["files"][2]["name"] == f"{packed / 'packed.onnx'} (2)"
    assert [t["threads"] for t in told["timings"]] == [1, 1, 1, 2, 2, 2]
    for timing in told["timings"]:
        assert timing["runs"] >= 4
        assert 0 < timing["ms"] <= timing["median"] <= timing["high"]
    assert [t["clock"] for t in told["timings"]] == ["cpu"] * 3 + ["wall"] * 3
    assert [t["ratio"] is None for t in told["timings"]] == [True, False, False] * 2
    plain = told["timings"][1]
    assert plain["ratio"]["seen"] == pytest.approx(plain["ms"] / told["timings"][0]["ms"])
    assert told["isa"] == isa()
    ours = told["nodes"][str(packed / "packed.onnx")]
    assert [(n["name"], n["op"], n["provider"]) for n in ours if n["op"] == "PatternConv"] == [
        ("layer", "PatternConv", "CPUExecutionProvider")
    ]
    assert all(n["milliseconds"] >= 0 for nodes in told["nodes"].values() for n in nodes)


def test_the_answer_is_for_people(packed, call):
    files = packed / "packed.onnx", "--against", packed / "plain.onnx"
    code, out, _ = call("bench", *files, *QUICK, "--layers")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == [
        "threads",
        "file",
        "MB",
        "PatternConv",
        "ms",
        "wall",
        "ms",
        "ratio",
        "95",
        "%",
    ]
    for word in ("measured", "machine", "software", "layer", "operator", "all"):
        assert [line for line in lines if line.startswith(word)]
    assert next(line for line in lines if line.startswith("layer ")).split() == [
        "layer",
        "A",
        "ms",
        "share",
        "B",
        "ms",
        "share",
    ]


def test_layers_of_a_network_carry_their_names(pruned, tmp_path, call):
    """Dense convolutions too, which ONNX Runtime renames when it fuses what follows into them."""
    import torch

    from benchmarks.networks.foreign import UNet

    module = UNet()
    module.load_state_dict(torch.load(pruned / "unet.pt", weights_only=True))
    x = torch.zeros(1, 3, 32, 32)
    cct.export(module, x, tmp_path / "packed.onnx")
    cct.export(module, x, tmp_path / "dense.onnx", pack=False)
    files = tmp_path / "packed.onnx", "--against", tmp_path / "dense.onnx"
    code, out, _ = call("bench", *files, *QUICK, "--layers", "--json")
    assert code == 0
    ours, theirs = (
        {n["name"]: n["op"] for n in nodes if "Conv" in n["op"]} for nodes in json.loads(out)["nodes"].values()
    )
    assert ours.keys() == theirs.keys()
    assert ours["down.0.3"] == "PatternConv"
    assert theirs["down.0.3"] == "Conv"


def test_one_file_of_others(tmp_path, call):
    signature = "(float[n,4] x, int64[2] at) => (float[n,2] y)"
    path = foreign(tmp_path, signature, "y = Gather <axis: int = 1> (x, at)")
    code, out, _ = call("bench", path, "--batch", 3, *QUICK)
    assert code == 0
    assert "no file has a PatternConv" in out
    assert "library row" not in out


def test_more_files_than_letters():
    names = [str(i) for i in range(28)]
    timing = Timing("cpu", 1.0, 1.0, 1.0, 1.0, 0.0, 2)
    found = Comparison(
        files=[File(name, 1000, 0) for name in names],
        timings={1: Timings(dict.fromkeys(names, timing), dict.fromkeys(names[1:], Ratio.of(1.0, 0.9, 1.1)))},
        provider="CPUExecutionProvider",
        batch=1,
        machine="",
        onnxruntime="",
        isa="",
        nodes={name: [NodeTime("first", "Conv", "CPUExecutionProvider", 1.0)] for name in names},
    )
    lines = found.to_text().splitlines()
    assert [line for line in lines if ": " in line][-28:][0] == "A: 0"
    assert {"Z: 25", "AA: 26", "AB: 27"} <= set(lines)


def test_the_row_of_the_library(monkeypatch):
    if not supported():
        pytest.skip("this platform has no library")
    monkeypatch.setenv("CCT_ISA", "generic")
    assert isa() == "generic"


WRONG = {
    "other input": (lambda f: [f / "packed.onnx", "--against", f / "larger.onnx"], "1x16x9x9 and"),
    "threads": (lambda f: [f / "packed.onnx", "--threads", "1,none"], "no number of threads"),
    "size": (
        lambda f: [foreign(f, "(float[1,3,h,w] x) => (float[1,3,h,w] y)", "y = Relu (x)")],
        "dimension 2: give --size",
    ),
    "more than memory": (
        lambda f: [foreign(f, "(float[1,3,99999,99999] x) => (float[1,3,99999,99999] y)", "y = Relu (x)")],
        "1x3x99999x99999 is too large",
    ),
    "corrupt": (lambda f: [f / "packed.onnx", "--against", __file__], "no valid ONNX model"),
    "missing": (lambda f: [f / "none.onnx"], "does not exist"),
    "cuda": (lambda f: [f / "packed.onnx", "--provider", "cuda"], "install"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(case, packed, call):
    arguments, message = WRONG[case]
    code, out, err = call("bench", *arguments(packed), *QUICK)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
