"""`cct selftest`: all of it on the CPU, as a process; what a wrong case, and a machine without a GPU, come to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cct.runtime.session import PROVIDERS
from cct.selftest.case import TF32_ROUNDING
from cct.selftest.chain import chain_models
from cct.selftest.run_case import run_case
from cct.selftest.specs import SPECS, Spec
from cct.selftest.time_chain import SHAPES
from cct.workflows.selftest import run_self_test
from tests.native.cuda.tf32 import rounded
from tests.support.process import run

SMALL = Spec((1, 8, 6, 8), 8, block=(8, 8), types="float32", keep=1.0, act="relu", residual=True)


@pytest.fixture
def quick(monkeypatch):
    """Two cases and one small chain."""
    monkeypatch.setattr("cct.workflows.selftest.SPECS", (SMALL, replace(SMALL, types="float16")))
    monkeypatch.setattr("cct.workflows.selftest.SHAPES", ((64, 8),))


def test_every_case_on_the_cpu():
    done = run("selftest", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["cct_selftest"], told["provider"], told["failed"]) == (2, "CPUExecutionProvider", [])
    assert told["machine"]["cannot"]["cpu"] == ""
    assert len(told["cases"]) == len(SPECS) == len({case["case"] for case in told["cases"]})
    assert all(0 <= case["error"] <= 1 and case["against_cpu"] is None for case in told["cases"])
    assert [time["channels"] for time in told["times"]] == [64, 128, 256, 512]
    assert all(time["dense"]["ms"] > 0 and time["ratio"]["seen"] > 0 for time in told["times"])


def test_the_report_is_for_an_issue(quick, call):
    code, out, _ = call("selftest")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "## cct selftest, CPUExecutionProvider: 2 of 2 cases are right"
    assert any(line.startswith("software     cct ") for line in lines)
    assert lines.count("```text") == 3
    assert lines.count("```") == 3
    assert any(line.startswith("1x64x8x8 ") and ("x (" in line or "no figure" in line) for line in lines)
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
    monkeypatch.setattr("cct.runtime.session.check_cuda", lambda library: None)
    monkeypatch.setattr("cct.runtime.session.preload", lambda: None)
    outcome = run_case(SMALL, "cuda")
    assert outcome.problem == ""
    assert outcome.against_cpu == 0
    assert 0 < outcome.error < 1


def test_float32_on_cuda_may_be_rounded_unless_it_is_exact(monkeypatch):
    asked = []

    def answer(case, provider, options=None):
        """As tensor cores would, whatever the options."""
        asked.append((provider, options))
        return (rounded(case) if provider == "cuda" else case).expected().astype(case.x.dtype)

    monkeypatch.setattr("cct.selftest.run_case._answer", answer)
    outcome = run_case(SMALL, "cuda")
    assert outcome.problem == ""
    assert 0.05 < outcome.error < 1
    assert "an output is wrong by" in run_case(replace(SMALL, exact=True), "cuda").problem
    assert asked == [("cuda", None), ("cpu", None), ("cuda", {"use_tf32": 0}), ("cpu", None)]


def test_the_bound_of_rounded_factors_is_near_what_rounding_may_do():
    """All factors a half step from the nearest number of tf32, in one direction."""
    case = SMALL.draw()
    case = replace(case, z=None, bias=0 * case.bias, act="none")
    worst = np.float32(1 + 2.0**-11 - 2.0**-23)
    case.x[...], case.packed.W[...] = worst, worst * (case.packed.W != 0)
    error = abs(rounded(case).expected() - case.expected())
    allowed = case.bound(0, TF32_ROUNDING)
    assert (error <= allowed).all()
    assert (error > 0.9 * allowed).any()


def test_both_types_are_timed_on_a_gpu(monkeypatch):
    timed = []
    monkeypatch.setattr("cct.workflows.selftest.SPECS", ())
    monkeypatch.setattr("cct.workflows.selftest.diagnose", lambda: SimpleNamespace(cannot={"cuda": ""}))
    monkeypatch.setattr("cct.workflows.selftest.time_chain", lambda *chain: timed.append(chain))
    run_self_test("cuda", lambda line: None)
    assert [chain[:4] for chain in timed] == [(*s, t, "cuda") for t in ("float16", "float32") for s in SHAPES]


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
