"""What CMake makes of the nvcc that it finds, or does not: one line either way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native.cuda.host import NATIVE, write_fake_nvcc
from tests.support.tools import missing


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """A function that configures the library and returns the lines that speak of CUDA."""
    cmake = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")
    if not cmake:
        missing("no cmake")
    monkeypatch.delenv("CUDACXX", raising=False)

    def configure(*options, path=None, **environment):
        command = [cmake, "-S", NATIVE, "-B", tmp_path / "build", *options]
        environment = {**os.environ, **({"PATH": path} if path else {}), **environment}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return re.findall(r"-- cct: (.*)", done.stdout)

    return configure


@pytest.fixture
def without_nvcc(tmp_path):
    """A PATH with everything but nvcc."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for directory in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(directory).glob("*"):
            link = folder / program.name
            if program.name != "nvcc":
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    return str(folder)


def test_it_says_what_built_the_routines(configure, tmp_path):
    nvcc = write_fake_nvcc(tmp_path / "nvcc")
    built = "CUDA routines: built with nvcc 13.0 for compute capability 7.5 8.0 8.6 8.9 9.0 10.0 12.0"
    assert configure(f"-DCCT_NVCC={nvcc}") == [built]


def test_it_takes_the_nvcc_that_cudacxx_names(configure, tmp_path):
    nvcc = write_fake_nvcc(tmp_path / "nvcc", release="12.4", codes="50 75 80 86 89 90")
    built = "CUDA routines: built with nvcc 12.4 for compute capability 7.5 8.0 8.6 8.9 9.0"
    assert configure(CUDACXX=str(nvcc)) == [built]


def test_without_nvcc_it_says_so(configure, without_nvcc):
    assert configure("-DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF", path=without_nvcc) == [
        "no nvcc: the library has no CUDA routines"
    ]


def test_it_can_be_told_to_do_without(configure):
    assert configure("-DCCT_CUDA=OFF") == ["CCT_CUDA is OFF: the library has no CUDA routines"]


@pytest.mark.parametrize(("release", "compressed"), [("12.9", False), ("13.0", True)])
def test_only_drivers_that_can_unpack_it_get_a_compressed_fatbin(configure, tmp_path, release, compressed):
    nvcc = write_fake_nvcc(tmp_path / "nvcc", release=release)
    nvcc.write_text(nvcc.read_text().replace("while ", f'echo "$*" >> {tmp_path / "asked"}\nwhile ', 1))
    configure(f"-DCCT_NVCC={nvcc}")
    assert ("-compress-mode" in (tmp_path / "asked").read_text()) == compressed


def test_a_cudacxx_that_is_no_program_is_an_error(configure):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        configure(CUDACXX="/nowhere/nvcc")
    assert "CUDACXX is /nowhere/nvcc, which is no program" in caught.value.stderr


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("#!/bin/sh\necho 'no space left' >&2\nexit 1\n", "it is too old"),
        (
            "#!/bin/sh\ncase $* in *code*) echo sm_80;; *) echo 'cuda_runtime.h: not found' >&2; exit 1;; esac\n",
            "cuda_runtime.h: not found",
        ),
    ],
)
def test_an_nvcc_that_does_not_work_is_none(configure, tmp_path, script, why):
    nvcc = tmp_path / "nvcc"
    nvcc.write_text(script)
    nvcc.chmod(0o755)
    assert configure(f"-DCCT_NVCC={nvcc}") == [f"{nvcc} does not work ({why}): the library has no CUDA routines"]
