"""`cct selftest`: all of it on the CPU, as a process; what a wrong case, and a machine without a GPU, come to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from process import run

from cct.runtime import PROVIDERS
from cct.selftest.chain import chain_models
from cct.selftest.run_case import run_case
from cct.selftest.specs import SPECS, Spec

SMALL = Spec((1, 8, 6, 8), 8, block=(8, 8), types="float32", keep=1.0, act="relu", residual=True)


@pytest.fixture
def quick(monkeypatch):
    """Two cases and one small chain."""
    monkeypatch.setattr("cct.selftest.run_self_test.SPECS", (SMALL, replace(SMALL, types="float16")))
    monkeypatch.setattr("cct.selftest.run_self_test.SHAPES", ((64, 8),))


def test_every_case_on_the_cpu():
    done = run("selftest", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["cct_selftest"], told["provider"], told["failed"]) == (1, "CPUExecutionProvider", [])
    assert told["machine"]["cannot"]["cpu"] == ""
    assert len(told["cases"]) == len(SPECS) == len({case["case"] for case in told["cases"]})
    assert all(0 <= case["error"] <= 1 and case["against_cpu"] is None for case in told["cases"])
    assert [time["channels"] for time in told["times"]] == [64, 128, 256, 512]
    assert all(time["dense"]["median"] > 0 and time["ratio"] > 0 for time in told["times"])


def test_the_report_is_for_an_issue(quick, call):
    code, out, _ = call("selftest")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "## cct selftest, CPUExecutionProvider: 2 of 2 cases are right"
    assert any(line.startswith("software     cct ") for line in lines)
    assert lines.count("```text") == 3
    assert lines.count("```") == 3
    assert any(line.startswith("1x64x8x8 ") and line.endswith("x") for line in lines)
    assert any(line.endswith(str(SMALL)) for line in lines)


def test_a_wrong_case_exits_1(quick, call, monkeypatch):
    monkeypatch.setattr("cct.selftest.run_case._FACTORS", {"cpu": 1e-12})
    code, out, _ = call("selftest")
    assert code == 1
    assert "1 of 2 cases are right" in out
    assert f"- WRONG: {SMALL}: an output is wrong by" in out
    code, out, err = call("selftest", "--json")
    assert (code, len(json.loads(out)["failed"])) == (1, 1)
    assert f"FAILED {SMALL}" in err


def test_a_case_that_the_library_refuses_is_wrong(monkeypatch):
    monkeypatch.setattr("cct.selftest.case.Case.clip", {"clip_min": 2.0, "clip_max": 1.0})
    assert "clip" in run_case(SMALL, "cpu").problem


def test_the_way_of_cuda_differs_by_the_provider_alone(monkeypatch):
    """With ONNX Runtime's CPU provider in the place of its CUDA provider."""
    monkeypatch.setitem(PROVIDERS, "cuda", PROVIDERS["cpu"])
    monkeypatch.setattr("cct.runtime.check_cuda", lambda library: None)
    monkeypatch.setattr("cct.runtime.preload", lambda: None)
    outcome = run_case(SMALL, "cuda")
    assert outcome.problem == ""
    assert outcome.against_cpu == 0
    assert 0 < outcome.error < 1


def test_without_a_gpu_it_says_what_is_missing():
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    done = run("selftest", "--provider", "cuda")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: no self-test on cuda: ")
    assert "install" in line


def test_a_case_draws_the_same_numbers_again_and_keeps_a_block():
    for spec in (SMALL, replace(SMALL, keep=0.01)):
        first, second = spec.draw(), spec.draw()
        assert np.array_equal(first.x, second.x)
        assert len(first.packed.filters) > 0
    assert len(replace(SMALL, keep=0.0).draw().packed.filters) == 0


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_both_chains_compute_the_same(dtype):
    import cct

    models = chain_models(64, 8, 2, dtype, (64, 8), 4)
    x = np.random.default_rng(0).standard_normal((2, 64, 8, 8)).astype(dtype)
    dense, packed = (cct.session(models[name]).run(None, {"X": x})[0] for name in ("dense", "packed"))
    assert abs(dense).max() > 0.01
    assert abs(dense - packed).max() < (1e-5 if dtype == "float32" else 1e-2) * abs(dense).max()


def test_a_chain_that_fails_leaves_the_report_of_the_cases(quick, call, monkeypatch):
    def fails(*args: object, **kwargs: object) -> None:
        raise RuntimeError("CUDA error 700\nmore of it")

    monkeypatch.setattr("cct.selftest.time_chain.compare", fails)
    code, out, _ = call("selftest")
    assert code == 1
    assert "- WRONG: chain of 64 at 8: CUDA error 700" in out.splitlines()
    assert "2 of 2 cases are right" in out
