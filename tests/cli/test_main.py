"""The command line as a process: what a user types, what it answers."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import onnx
import pytest
import torch

import cct
from tests.support.process import MODEL, run


def test_compress_writes_three_files_and_nothing_else(compressed):
    assert sorted(os.listdir(compressed)) == ["digits.pt", "m.onnx", "m.pt", "m.report.json", "stdout.json"]
    report = json.loads((compressed / "m.report.json").read_text())
    assert report == json.loads((compressed / "stdout.json").read_text())
    assert report["cct_report"] == 2
    assert report["compression"]["prunable"] == pytest.approx(4, rel=0.02)
    assert report["accuracy"]["baseline"] > 97
    assert report["accuracy"]["compressed"] > 90
    assert max(report["parity"].values()) < 1e-5
    assert report["proven"] == sum(layer["op"] == "PatternConv" for layer in report["layers"]) > 0
    assert report["bytes"]["packed"] < report["bytes"]["dense"] / 2


def test_the_pruned_weights_load_into_the_original_class(compressed):
    from cct.checkpoint.load_model import load_model
    from cct.model_source import ModelSource

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


def test_compression_1_only_fine_tunes(tmp_path):
    done = run("compress", MODEL, "--data", "digits", "--compression", 1, "--epochs", 0, "-o", tmp_path / "m.onnx")
    assert done.returncode == 0, done.stderr
    assert not onnx.load(tmp_path / "m.onnx").functions


def test_a_goal_that_is_not_reached_exits_1_and_all_is_written_and_told(tmp_path):
    done = run(
        "compress",
        MODEL,
        "--data",
        "digits",
        "--epochs",
        0,
        "--goal",
        "accuracy:min-improvement=50",
        "-o",
        tmp_path / "m.onnx",
    )
    assert done.returncode == 1, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "m.pt", "m.report.json"]
    first = [line.split(" ")[0] for line in done.stdout.splitlines()]
    for word in ("accuracy", "compression", "file", "parity", "proof", "speed", "machine", "layer", "wrote", "FAILED"):
        assert word in first


def test_validate_reports(compressed):
    done = run("validate", compressed / "m.onnx", "--data", "digits")
    assert done.returncode == 0, done.stderr
    assert "no goal given" in done.stdout


def test_validate_gates_accuracy(compressed):
    done = run(
        "validate",
        compressed / "m.onnx",
        "--data",
        "digits",
        "--baseline",
        MODEL,
        "--goal",
        "accuracy:min-improvement=50",
    )
    assert done.returncode == 1, done.stderr
    assert "FAILED       accuracy:min-improvement=50: accuracy is" in done.stdout


@pytest.mark.parametrize(("gate", "code"), [("1e-4", 0), ("1e-12", 1)])
def test_validate_gates_parity(compressed, gate, code):
    given = ("--data", "digits", "--parity", compressed / "m.pt", "--max-error", gate, "--json")
    done = run("validate", compressed / "m.onnx", *given)
    assert done.returncode == code, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["passed"] == (code == 0)
    legs = {"accuracy", "body", "body one by one", "one by one", "onnx.reference", "torch"}
    assert set(verdict["parity"]) == legs


def test_validate_sees_other_weights(compressed):
    given = ("--data", "digits", "--parity", MODEL, "--max-error", "1e-4")
    done = run("validate", compressed / "m.onnx", *given)
    assert done.returncode == 1
    assert "parity is" in done.stdout


def test_debug_shows_the_traceback(tmp_path):
    (tmp_path / "b.pt").write_bytes(b"not a checkpoint")
    done = run("--debug", "compress", tmp_path / "b.pt", "--data", "digits")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_dry_run_judges_and_writes_nothing(tmp_path):
    goals = ["size:percent-min-improvement=60", "size:threshold=0.001", "accuracy:max-degradation=0.1"]
    given = ["--dry-run", "--json", *(part for goal in goals for part in ("--goal", goal))]
    done = run("compress", MODEL, "--data", "digits", *given, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert [line.split(": ")[0] for line in report["failed"]] == ["size:threshold=0.001"]
    assert report["unknown"] == ["accuracy:max-degradation=0.1"]
    assert report["compression"]["prunable"] == pytest.approx(4, rel=0.02)
    assert (report["dry_run"], report["outputs"], report["recipe"]["epochs"]) == (True, [], 10)
    assert os.listdir(tmp_path) == []


def test_a_saved_recipe_replays_byte_for_byte(tmp_path):
    given = ["--epochs", 0, "--exclude", "block1.*", "--block", "2x1", "--lr", "0.01", "--seed", 3, "--max-drop", 99]
    first = run("compress", MODEL, "--data", "digits", *given, "--save-recipe", "a.toml", "-o", "a.onnx", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    again = ["--recipe", "a.toml", "--save-recipe", "b.toml", "-o", "b.onnx"]
    second = run("compress", MODEL, "--data", "digits", *again, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    for ending in ("toml", "onnx", "pt"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    layers = json.loads((tmp_path / "a.report.json").read_text())["layers"]
    assert all(layer["reason"] for layer in layers if layer["name"].startswith("block1."))
    assert any(not layer["reason"] for layer in layers)


def test_validate_measures_size_and_speed_against_the_baseline(compressed):
    goals = ["--goal", "size:percent-min-improvement=50", "--max-drop", 50]
    given = ["--data", "digits", "--baseline", MODEL, *goals, "--json"]
    done = run("validate", compressed / "m.onnx", *given)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["passed"] is True
    assert verdict["bytes"]["packed"] == (compressed / "m.onnx").stat().st_size < verdict["bytes"]["dense"] / 2
    assert verdict["speed"][0]["threads"] == 1
    assert all(row["dense"]["ms"] > 0 and row["packed"]["ms"] > 0 for row in verdict["speed"])


def test_another_normalization_is_another_accuracy(compressed):
    percent = {}
    for mean in ("0.3", "0.9"):
        done = run("validate", compressed / "m.onnx", "--data", "digits", "--mean", mean, "--json")
        assert done.returncode == 0, done.stderr
        percent[mean] = json.loads(done.stdout)["accuracy"]["compressed"]
    assert percent["0.3"] > percent["0.9"]
