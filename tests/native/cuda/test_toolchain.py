"""Where the compiler comes from."""

from __future__ import annotations

import pytest

from tests.native.cuda import toolchain
from tests.native.cuda.toolchain import NoToolchain


@pytest.fixture
def nothing_here(monkeypatch, tmp_path):
    """No tool on the PATH, no package to be had."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDACXX", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("tool", "package"), [(toolchain.nvcc, "nvidia-cuda-nvcc==13.0"), (toolchain.nvdisasm, "nvidia-cuda-nvdisasm")]
)
def test_what_can_not_be_had_is_named(nothing_here, tool, package):
    with pytest.raises(NoToolchain, match=f"pip brings no {package}.*: ERROR: "):
        tool(nothing_here)


def test_the_path_comes_before_pip(nothing_here):
    for name in ("nvcc", "nvdisasm"):
        (nothing_here / name).write_text("#!/bin/sh\n")
        (nothing_here / name).chmod(0o755)
    assert toolchain.nvcc(nothing_here) == [str(nothing_here / "nvcc")]
    assert toolchain.nvdisasm(nothing_here) == [str(nothing_here / "nvdisasm")]


def test_cudacxx_comes_first(nothing_here, monkeypatch):
    monkeypatch.setenv("CUDACXX", "/elsewhere/nvcc")
    assert toolchain.nvcc(nothing_here) == ["/elsewhere/nvcc"]


def test_what_pip_brought_is_kept(nothing_here):
    (nothing_here / "nvcc").mkdir()
    (nothing_here / "nvcc" / "complete").touch()
    home = nothing_here / "nvcc" / "nvidia" / "cu13"
    assert toolchain.nvcc(nothing_here) == [str(home / "bin" / "nvcc"), f"-L{home / 'lib'}"]


def test_compiling_says_what_is_wrong(nvcc, tmp_path):
    (tmp_path / "broken.cu").write_text("__global__ void f() { nonsense; }")
    with pytest.raises(RuntimeError, match="nonsense"):
        toolchain.compile_kernels("compute_80", tmp_path / "broken.cu")


def test_what_was_compiled_is_kept_until_a_source_changes(nvcc, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.support.tools.BUILD", tmp_path / "outputs")
    source = tmp_path / "small.cu"
    source.write_text('#include "value.h"\nextern "C" __global__ void f(int* p) { *p = VALUE; }')
    (tmp_path / "value.h").write_text("#define VALUE 1")
    once = toolchain.compile_kernels("compute_80", source)
    assert ".entry f" in once.path.read_text()
    assert toolchain.compile_kernels("compute_80", source) == once
    (tmp_path / "value.h").write_text("#define VALUE 2")
    assert toolchain.compile_kernels("compute_80", source).path != once.path
    assert "Used" in toolchain.compile_kernels("sm_80", source).log
