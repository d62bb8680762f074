"""The command line as a process: what a user types, what it answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import cct

MODEL = Path(str(files("cct").joinpath("models", "digits_net.pt")))


def run(*arguments, cwd=None, **variables):
    environment = {**os.environ, **variables}
    command = [sys.executable, "-m", "cct", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)


@pytest.fixture(scope="module")
def compressed(tmp_path_factory) -> Path:
    """The folder of one short run."""
    folder = tmp_path_factory.mktemp("compressed")
    shutil.copy(MODEL, folder / "digits.pt")
    done = run("compress", "digits.pt", "--data", "digits", "--epochs", 1, "-o", "m.onnx", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "stdout.json").write_text(done.stdout)
    return folder


def test_compress_writes_three_files_and_nothing_else(compressed):
    assert sorted(os.listdir(compressed)) == ["digits.pt", "m.onnx", "m.pt", "m.report.json", "stdout.json"]
    report = json.loads((compressed / "m.report.json").read_text())
    assert report == json.loads((compressed / "stdout.json").read_text())
    assert report["cct_report"] == 1
    assert report["compression"]["prunable"] == pytest.approx(4, rel=0.02)
    assert report["accuracy"]["baseline"] > 97
    assert report["accuracy"]["compressed"] > 90
    assert max(report["parity"].values()) < 1e-5
    assert report["proven"] == sum(layer["op"] == "PatternConv" for layer in report["layers"]) > 0
    assert report["bytes"]["packed"] < report["bytes"]["dense"] / 2


def test_the_pruned_weights_load_into_the_original_class(compressed):
    from cct.checkpoint import load_model
    from cct.source import ModelSource

    original, pruned = load_model(ModelSource(MODEL)), load_model(ModelSource(compressed / "m.pt"))
    assert type(original.module) is type(pruned.module)
    session = cct.session(compressed / "m.onnx")
    x = torch.randn(4, *session.get_inputs()[0].shape[1:], generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        want = pruned.module(x).numpy()
    assert np.allclose(session.run(None, {"input": x.numpy()})[0], want, atol=1e-4)


def test_the_same_seed_gives_the_same_files(compressed, tmp_path):
    shutil.copy(MODEL, tmp_path / "digits.pt")
    done = run("compress", "digits.pt", "--data", "digits", "--epochs", 1, "-o", "m.onnx", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("m.onnx", "m.pt"):
        assert (tmp_path / name).read_bytes() == (compressed / name).read_bytes()


def test_a_failed_gate_exits_1_and_still_writes(tmp_path):
    done = run("compress", MODEL, "--data", "digits", "--epochs", 0, "--max-drop", "-50", "-o", tmp_path / "m.onnx")
    assert done.returncode == 1, done.stderr
    assert "FAILED" in done.stdout
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "m.pt", "m.report.json"]


def test_compression_1_only_fine_tunes(tmp_path):
    done = run("compress", MODEL, "--data", "digits", "--compression", 1, "--epochs", 0, "-o", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    assert not onnx.load(tmp_path / "m.onnx").functions


def test_the_answer_is_for_people(tmp_path):
    done = run("compress", MODEL, "--data", "digits", "--epochs", 0, "-o", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    first = [line.split(" ")[0] for line in done.stdout.splitlines()]
    for word in ("accuracy", "compression", "file", "parity", "proof", "speed", "machine", "layer", "wrote"):
        assert word in first


def test_validate_reports(compressed):
    done = run("validate", compressed / "m.onnx", "--data", "digits")
    assert done.returncode == 0, done.stderr
    assert "no goal given" in done.stdout


@pytest.mark.parametrize(("gate", "code"), [(("--max-drop", 50), 0), (("--max-drop", -50), 1)])
def test_validate_gates_accuracy(compressed, gate, code):
    done = run("validate", compressed / "m.onnx", "--data", "digits", "--baseline", MODEL, *gate)
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize(("gate", "code"), [("1e-4", 0), ("1e-12", 1)])
def test_validate_gates_parity(compressed, gate, code):
    given = ("--data", "digits", "--parity", compressed / "m.pt", "--max-error", gate, "--json")
    done = run("validate", compressed / "m.onnx", *given)
    assert done.returncode == code, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["passed"] == (code == 0)
    assert set(verdict["parity"]) == {"body", "onnx.reference", "torch"}


def test_validate_sees_other_weights(compressed):
    given = ("--data", "digits", "--parity", MODEL, "--max-error", "1e-4")
    done = run("validate", compressed / "m.onnx", *given)
    assert done.returncode == 1
    assert "parity is" in done.stdout


def _foreign(folder: Path) -> Path:
    onnx.save(
        onnx.parser.parse_model(
            '<ir_version: 10, opset_import: ["": 18]> g (float[1,1,32,32] x) => (float y) { y = ReduceMean (x) }'
        ),
        folder / "f.onnx",
    )
    return folder / "f.onnx"


def _broken(folder: Path) -> Path:
    (folder / "b.pt").write_bytes(b"not a checkpoint")
    return folder / "b.pt"


def _raising(folder: Path) -> list[object]:
    torch.save({"weight": torch.zeros(1)}, folder / "w.pt")
    (folder / "net.py").write_text("def make(): return 1 / 0")
    return [folder / "w.pt", "--arch", f"{folder / 'net.py'}:make"]


def _rewired(folder: Path, compressed: Path) -> Path:
    """A packed file whose channels index points outside."""
    proto = onnx.load(compressed / "m.onnx")
    at = next(i for i, t in enumerate(proto.graph.initializer) if t.name.endswith(".channels"))
    array = onnx.numpy_helper.to_array(proto.graph.initializer[at]).copy()
    array[-1] = 10_000
    proto.graph.initializer[at].CopyFrom(onnx.numpy_helper.from_array(array, proto.graph.initializer[at].name))
    onnx.save(proto, folder / "r.onnx")
    return folder / "r.onnx"


WRONG = {
    "no command": (lambda f, c: ["fold"], "No such command"),
    "no file": (lambda f, c: ["compress", f / "none.pt", "--data", "digits"], "does not exist"),
    "no data": (lambda f, c: ["compress", MODEL], "--data"),
    "data is no folder": (lambda f, c: ["compress", MODEL, "--data", f / "none"], "no folder"),
    "not a checkpoint": (lambda f, c: ["compress", _broken(f), "--data", "digits"], "b.pt"),
    "block": (lambda f, c: ["compress", MODEL, "--data", "digits", "--block", "0x4"], "0x4"),
    "compression": (lambda f, c: ["compress", MODEL, "--data", "digits", "--compression", "0.5"], "compression"),
    "compression out of reach": (
        lambda f, c: ["compress", MODEL, "--data", "digits", "--compression", "1e6"],
        "compression",
    ),
    "recipe": (lambda f, c: ["compress", MODEL, "--data", "digits", "--recipe", "none"], "clicktrain-paper"),
    "recipe file": (lambda f, c: ["compress", MODEL, "--data", "digits", "--recipe", f / "none.toml"], "can't be read"),
    "output": (lambda f, c: ["compress", MODEL, "--data", "digits", "-o", f / "none" / "m.onnx"], "none"),
    "output name": (lambda f, c: ["compress", MODEL, "--data", "digits", "-o", f / "m.bin"], ".onnx"),
    "output over input": (lambda f, c: ["compress", c / "m.pt", "--data", "digits", "-o", c / "m.onnx"], "replace"),
    "arch": (lambda f, c: ["compress", MODEL, "--data", "digits", "--arch", "nowhere:net"], "nowhere"),
    "validate foreign": (lambda f, c: ["validate", _foreign(f), "--data", "digits"], "has no PatternConv"),
    "validate no onnx": (lambda f, c: ["validate", _broken(f), "--data", "digits"], "no valid ONNX"),
    "validate forged": (lambda f, c: ["validate", _rewired(f, c), "--data", "digits"], "channels"),
    "gate that is no number": (
        lambda f, c: ["validate", c / "m.onnx", "--data", "digits", "--max-error", "nan"],
        "no limit",
    ),
    "arch that raises": (lambda f, c: ["compress", *_raising(f), "--data", "digits"], "ZeroDivisionError"),
    "gate without baseline": (
        lambda f, c: ["validate", c / "m.onnx", "--data", "digits", "--max-drop", "1"],
        "--baseline",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_exit_2(case, compressed, tmp_path):
    arguments, message = WRONG[case]
    given = arguments(tmp_path, compressed)
    before = sorted(os.listdir(tmp_path)), sorted(os.listdir(compressed))
    done = run(*given, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("Error: ")] == done.stderr.splitlines()[-1:]
    assert "Traceback" not in done.stderr
    assert (sorted(os.listdir(tmp_path)), sorted(os.listdir(compressed))) == before


def test_debug_shows_the_traceback(tmp_path):
    done = run("--debug", "compress", _broken(tmp_path), "--data", "digits")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_routine_that_this_machine_lacks_is_an_error(compressed):
    done = run("validate", compressed / "m.onnx", "--data", "digits", CCT_ISA="avx1024")
    assert done.returncode == 2
    assert "avx1024" in done.stderr
