"""The driver as the library uses it: what it says when something is missing, and what it keeps."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.native.cuda.device_cases import Spec
from tests.native.cuda.host import DEVICES, Allocate, CudaConv, Gpu, Memory, Release, conv_of
from tests.native.native_binding import Arguments, NativeError

TESTS = Path(__file__).parents[2]
SPEC = Spec("float16", (2, 16, 12, 16), 32, residual=True, act="relu")


@pytest.fixture(scope="session")
def gpu(cuda_library, mock_driver) -> Gpu:
    return Gpu(cuda_library, mock_driver)


# ---------------------------------------------------------------- what is missing


def said(library, driver, device=0, **environment) -> str:
    """What a fresh process prints: the library looks for a driver once."""
    command = [sys.executable, "-m", "tests.native.cuda.try_host", str(library), str(driver), str(device)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent), **environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return line


def test_with_all_it_needs_it_runs(cuda_library, mock_driver):
    assert said(cuda_library, mock_driver) == "done"


def test_without_a_driver_it_says_so(cuda_library):
    line = said(cuda_library, "/nowhere/libcuda.so.1", CCT_MOCK="none")
    assert line.startswith("PatternConv: CUDA needs the NVIDIA driver, which is not there: /nowhere/libcuda.so.1: ")


def test_another_library_is_no_driver(cuda_library):
    line = said(cuda_library, "libm.so.6")
    assert line == "PatternConv: the NVIDIA driver has no cuInit: it is too old for cct"


def test_a_driver_that_is_too_old_is_told_both_versions(cuda_library, mock_driver):
    built = ctypes.CDLL(str(cuda_library)).cct_cuda_build
    built.restype = ctypes.c_char_p
    major = built().decode().split()[1].split(".")[0]
    line = said(cuda_library, mock_driver, CCT_MOCK_VERSION=str(int(major) * 1000 - 10))
    assert line.startswith(
        f"PatternConv: the NVIDIA driver is too old: it has CUDA {int(major) - 1}.99, and this library "
    )
    assert line.endswith(f"which needs CUDA {major}.0 or newer")


def test_a_machine_without_a_gpu_is_told(cuda_library, mock_driver):
    line = said(cuda_library, mock_driver, CCT_MOCK_INIT="100")
    assert line == "PatternConv: cuInit: CUDA_ERROR_NO_DEVICE (100): no CUDA-capable device is detected"


def test_a_gpu_that_the_kernels_are_not_for_is_named(cuda_library, mock_driver):
    line = said(cuda_library, mock_driver, DEVICES["7.0"])
    assert line.startswith("PatternConv: this GPU has compute capability 7.0, and this library has kernels for 7.5 ")


def test_a_gpu_that_is_not_there_is_an_error(cuda_library, mock_driver):
    assert said(cuda_library, mock_driver, 77).startswith("PatternConv: cuDeviceGet: CUDA error (1)")


def test_a_library_without_cuda_says_how_to_get_it(strict_build, mock_driver):
    library = strict_build / "libcct_ops.so"
    assert not ctypes.CDLL(str(library)).cct_cuda_build()
    assert said(library, mock_driver) == (
        "PatternConv: this library was built without CUDA: reinstall cct with nvcc on the PATH, or use the CPU provider"
    )


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("offset", [2, 8])
def test_a_pointer_that_is_not_aligned_is_refused(gpu, offset):
    case = SPEC.draw()
    with pytest.raises(NativeError, match=r"X at 0x[0-9a-f]+ is not aligned to 16 bytes"):
        conv_of(gpu, case).run(case.x, case.z, offset)


def test_memory_that_is_not_there_is_an_error(gpu):
    memory = Memory(Allocate(lambda _, size: None), Release(lambda _, memory: None))
    case = SPEC.draw()
    arguments = Arguments.of(case.packed, case.bias, **case.geometry)
    with pytest.raises(NativeError, match=r"not enough memory on the GPU for [0-9]+ bytes of weights"):
        CudaConv(gpu, arguments, memory=memory)


def test_a_launch_that_fails_is_named(gpu, monkeypatch):
    case = SPEC.draw()
    conv = conv_of(gpu, case)
    monkeypatch.setenv("CCT_MOCK_LAUNCH", "719")
    with pytest.raises(NativeError, match=r"PatternConv: cct_\w+: CUDA_ERROR_LAUNCH_FAILED \(719\)"):
        conv.run(case.x, case.z)


def test_what_is_wrong_with_the_file_is_said_as_on_the_cpu(gpu):
    case = SPEC.draw()
    arguments = Arguments.of(case.packed, case.bias, **{**case.geometry, "strides": (0, 1)})
    with pytest.raises(NativeError, match=r"PatternConv: strides = 0, not in 1\.\.65535"):
        CudaConv(gpu, arguments)


# ---------------------------------------------------------------- what is kept


def test_the_kernels_are_loaded_once_for_each_context(gpu):
    case = SPEC.draw()
    convs = [conv_of(gpu, case, device) for device in (0, 2, 0, 2)]
    assert [gpu.mock.mock_modules_of(gpu.primary(device)) for device in (0, 2)] == [1, 1]
    results = [conv.run(case.x, case.z) for conv in convs]
    assert all(np.array_equal(result, results[0]) for result in results)
    assert gpu.mock.mock_context_depth() == 0  # what was made current is so no more


def test_a_context_that_is_current_is_used(gpu):
    case = SPEC.draw()
    context = gpu.mock.mock_make_context(DEVICES["12.0"])
    gpu.mock.cuCtxPushCurrent_v2(context)
    try:
        conv = conv_of(gpu, case, DEVICES["12.0"])
        elsewhere = conv_of(gpu, case, 0)  # it is of another device
        assert gpu.mock.mock_modules_of(context) == 1
        assert np.array_equal(conv.run(case.x, case.z), elsewhere.run(case.x, case.z))
        assert gpu.mock.mock_context_depth() == 1
    finally:
        gpu.mock.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    with ThreadPoolExecutor(1) as thread:  # where nothing is current
        assert thread.submit(conv.run, case.x, case.z).result().shape == case.z.shape


def test_the_driver_of_the_tests_refuses_a_kernel_of_another_context(gpu, monkeypatch):
    """As NVIDIA's does; else a launch in the wrong context would pass here."""
    monkeypatch.setenv("CCT_MOCK_RUN", "0")
    image = np.array([0xBA55ED50], np.uint64)  # begins as a fatbin does
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    arguments = (ctypes.c_ubyte * 256)()
    parameters = (ctypes.c_void_p * 1)(ctypes.addressof(arguments))

    def launch():
        sizes = [ctypes.c_uint(n) for n in (1, 1, 1, 128, 1, 1, 0)]
        return gpu.mock.cuLaunchKernel(function, *sizes, None, parameters, None)

    depth = gpu.mock.mock_context_depth()
    try:
        gpu.mock.cuCtxPushCurrent_v2(gpu.mock.mock_make_context(0))
        assert gpu.mock.cuModuleLoadData(ctypes.byref(module), ctypes.c_void_p(image.ctypes.data)) == 0
        assert gpu.mock.cuModuleGetFunction(ctypes.byref(function), module, b"cct_finish_float16") == 0
        assert launch() == 0
        gpu.mock.cuCtxPushCurrent_v2(gpu.mock.mock_make_context(0))
        assert launch() == 400  # CUDA_ERROR_INVALID_HANDLE
    finally:
        while gpu.mock.mock_context_depth() > depth:
            gpu.mock.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    gpu.launches()


def test_threads_make_and_run_convolutions_at_a_time(gpu):
    case = SPEC.draw()
    shared, expected = conv_of(gpu, case), conv_of(gpu, case).run(case.x, case.z)

    def work(number):
        conv = shared if number % 2 else conv_of(gpu, case, number % 4)
        return conv.run(case.x, case.z)

    with ThreadPoolExecutor(8) as threads:
        assert all(np.array_equal(y, expected) for y in threads.map(work, [0, 1, 2, 3, 2, 1, 0, 3] * 3))


def test_memory_is_given_back(gpu):
    case = SPEC.draw()
    before = gpu.mock.mock_allocation_count()
    conv = conv_of(gpu, case)
    conv.run(case.x, case.z)
    assert gpu.mock.mock_allocation_count() == before + 1  # the weights, all together
    del conv
    assert gpu.mock.mock_allocation_count() == before
