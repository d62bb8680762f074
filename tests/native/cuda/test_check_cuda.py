"""What keeps a machine from CUDA, one line each: drivers that only say what they have, libraries with and without."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import onnxruntime
import pytest

from cct.cli.main import main
from cct.errors import LibraryError
from cct.runtime.check_cuda import check_cuda
from cct.runtime.cuda_build import PTX, CudaBuild, cuda_build
from cct.runtime.cuda_driver import Gpu, find_driver
from tests.support.process import run
from tests.support.tools import missing

SOURCE = Path(__file__).parent / "fake_driver.c"
NATIVE = Path(__file__).parents[3] / "cct" / "native"

if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
    pytest.skip("this onnxruntime has no CUDA provider", allow_module_level=True)


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Makes this process find a driver: driver(MAJOR=7) and so on."""
    compiler = shutil.which("cc")
    if not compiler:
        missing("no cc to compile a driver with")

    def make(**other: int) -> Path:
        stated = {"VERSION": 13000, "FAILURE": 0, "COUNT": 1, "MAJOR": 9, "MINOR": 0} | other
        library = tmp_path / f"{len(list(tmp_path.iterdir()))}.so"
        macros = [f"-D{name}={value}" for name, value in stated.items()]
        subprocess.run([compiler, "-shared", "-fPIC", *macros, SOURCE, "-o", library], check=True)
        monkeypatch.setenv("CCT_LIBCUDA", str(library))
        return library

    return make


@pytest.fixture
def with_cuda(cuda_library, monkeypatch):
    monkeypatch.setattr("cct.runtime.library.library_path", lambda: str(cuda_library))


def test_what_the_driver_says(driver):
    driver(VERSION=12040, COUNT=2, MAJOR=8, MINOR=6)
    found = find_driver()
    assert found.cuda == (12, 4)
    assert found.gpus == [Gpu("Test\x1b GPU", (8, 6), 80 << 30)] * 2
    assert str(found.gpus[0]) == "Test\\x1b GPU, compute capability 8.6, 80 GiB"


def test_a_gpu_that_fits(driver, with_cuda):
    driver()
    check_cuda()


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ({"FAILURE": 100}, r"finds no GPU: CUDA_ERROR_NO_DEVICE \(100\): no CUDA-capable device is detected"),
        ({"FAILURE": 803}, r"finds no GPU: error \(803\): error"),
        ({"COUNT": 0}, "finds no GPU: there is none"),
        ({"VERSION": 11080}, "runs CUDA 11.8, and nvcc .* built cct's library: install a driver for CUDA 1"),
        ({"MAJOR": 7, "MINOR": 0}, "nothing for this GPU .*compute capability 7.0"),
        ({"OLD": 1}, "too old .*cuDeviceTotalMem"),
    ],
)
def test_a_driver_or_gpu_that_does_not_do(says, message, driver, with_cuda):
    driver(**says)
    with pytest.raises(LibraryError, match=message):
        check_cuda()


def test_no_driver(monkeypatch, with_cuda):
    monkeypatch.setenv("CCT_LIBCUDA", "/none/libcuda.so.1")
    with pytest.raises(LibraryError, match=r"there is no NVIDIA driver here .*: install it"):
        check_cuda()


def test_a_library_without_cuda(strict_build, driver, monkeypatch):
    driver()
    monkeypatch.setattr("cct.runtime.library.library_path", lambda: str(strict_build / "libcct_ops.so"))
    assert cuda_build() is None
    with pytest.raises(LibraryError, match="built without CUDA: reinstall cct with nvcc on the PATH"):
        check_cuda()
    check_cuda(library=False)  # ONNX Runtime's own convolutions need none of it


def test_an_onnxruntime_without_cuda(monkeypatch):
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(LibraryError, match="has no CUDAExecutionProvider: install onnxruntime-gpu instead"):
        check_cuda()


def test_what_a_gpu_runs_of_the_library():
    build = CudaBuild((13, 0), [(7, 5), (8, 0), (8, 6), (9, 0)])
    assert build.image_for((8, 0)) == "machine code of 8.0"
    assert build.image_for((8, 9)) == "machine code of 8.6"
    assert build.image_for((10, 3)) == "PTX of 8.0, which the driver compiles"
    assert build.image_for((7, 0)) == build.image_for((6, 1)) == ""


def test_the_ptx_is_the_one_that_is_built():
    assert f"set(CCT_CUDA_PTX {PTX[0]}{PTX[1]})" in (NATIVE / "cuda" / "fatbin.cmake").read_text()


@pytest.mark.parametrize(
    ("major", "override", "routines"),
    [
        (9, "1", {"float16": "tensor cores", "float32": "tensor cores, tf32"}),
        (9, "0", {"float16": "tensor cores", "float32": "plain"}),
        (7, "1", {"float16": "plain", "float32": "plain"}),
    ],
)
def test_doctor_shows_the_gpu(major, override, routines, driver, with_cuda, capsys, monkeypatch):
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", override)
    driver(MAJOR=major, MINOR=5)
    with pytest.raises(SystemExit, match="0"):
        main(["doctor"])
    out = capsys.readouterr().out
    assert "gpu 0        Test\\x1b GPU, compute capability" in out
    assert "cuda         yes" in out
    for number, routine in routines.items():
        assert next(line for line in out.splitlines() if line.startswith(number)).endswith(f"  {routine}")
    with pytest.raises(SystemExit, match="0"):
        main(["doctor", "--json"])
    assert json.loads(capsys.readouterr().out)["driver"]["gpus"][0]["capability"] == [major, 5]


def test_a_provider_that_does_not_load_is_told(driver):
    """All that cct asks is there, and then ONNX Runtime does not find what it needs."""
    if cuda_build() is None:
        pytest.skip("the installed library has no CUDA routines")
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU: the provider loads")
    done = run("bench", _model(driver().parent), "--provider", "cuda")
    assert done.returncode == 2
    assert "can't use CUDAExecutionProvider here: lib" in done.stderr.splitlines()[-1]


def _model(folder: Path) -> Path:
    import onnx

    text = '<ir_version: 10, opset_import: ["": 18]> g (float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Relu (x) }'
    onnx.save(onnx.parser.parse_model(text), folder / "m.onnx")
    return folder / "m.onnx"
