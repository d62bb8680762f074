"""Which ISA row runs, and that a row which cannot be had is an error."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

import cct
from cct.runtime.library import isa_rows, serves_training
from tests.native.native_binding import ISAS, LIBRARY, SUPPORTED, Arguments, NativeError, PatternConv
from tests.support.cases import draw_packed

ROWS = {"x86_64": ["avx512", "avx2", "generic"], "aarch64": ["neon", "generic"]}[platform.machine()]

REGISTER = """
import sys, onnxruntime
try:
    onnxruntime.SessionOptions().register_custom_ops_library(sys.argv[1])
except Exception as error:
    print(error)
else:
    print("registered")
"""


def register(isa: str) -> str:
    """What registering the library says in a process with this CCT_ISA."""
    return subprocess.run(
        [sys.executable, "-c", REGISTER, cct.library_path()],
        env={**os.environ, "CCT_ISA": isa}, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip


def arguments() -> Arguments:
    return Arguments.of(draw_packed(np.random.default_rng(0), out_channels=4, in_channels=2), np.zeros(4))


def test_the_rows_of_this_platform_best_first():
    assert list(ISAS) == ROWS
    assert SUPPORTED[-1] == "generic"


def test_the_rows_that_serve_training(monkeypatch):
    assert {row.name for row in isa_rows() if row.serves_training} == {"avx512", "avx2"} & set(ROWS)
    assert [LIBRARY.cct_isa_serves_training(row) for row in (-1, len(ISAS))] == [0, 0]
    for isa in SUPPORTED:
        monkeypatch.setenv("CCT_ISA", isa)
        assert serves_training() == (isa in ("avx512", "avx2"))
    monkeypatch.setenv("CCT_ISA", "sve")  # there is no such row
    assert not serves_training()


@pytest.mark.skipif("avx2" not in ROWS, reason="what sets these rows apart is part of every CPU of this kind")
def test_the_cpu_is_asked_for_what_it_has():
    with open("/proc/cpuinfo") as lines:
        flags = next(set(line.split()) for line in lines if line.startswith("flags"))
    assert ("avx2" in SUPPORTED) == ({"avx2", "fma"} <= flags)
    assert ("avx512" in SUPPORTED) == ({"avx512f", "avx512vl", "avx512bw", "avx512dq"} <= flags)


@pytest.mark.parametrize("isa", ["", *SUPPORTED])
def test_a_row_that_is_there_can_be_forced(isa):
    assert register(isa) == "registered"


@pytest.mark.parametrize("isa", ["sve", "AVX2", "generic "])
def test_an_unknown_row_is_refused(isa):
    has = ", ".join(ROWS)
    assert f"CCT_ISA = {isa} is unknown or not compiled into this library, which has {has}" in register(isa)
    with pytest.raises(NativeError, match="is unknown or not compiled"):
        PatternConv(arguments(), isa)


@pytest.mark.parametrize("isa", ISAS[:-1])
def test_a_row_that_this_cpu_lacks_is_refused(isa):
    if isa in SUPPORTED:
        pytest.skip(f"this CPU has {isa}")
    assert f"CCT_ISA = {isa}, but this CPU does not support it" in register(isa)
    with pytest.raises(NativeError, match="this CPU does not support it"):
        PatternConv(arguments(), isa)


def test_the_environment_forces_a_row_of_the_c_api_too(monkeypatch):
    monkeypatch.setenv("CCT_ISA", "sve")
    with pytest.raises(NativeError, match="CCT_ISA = sve is unknown"):
        PatternConv(arguments())
    PatternConv(arguments(), "generic")  # what is asked for by name goes before
