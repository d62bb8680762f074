"""Can this machine run the library on ONNX Runtime's CUDA provider, and if not, why?"""

from __future__ import annotations

import ctypes
import functools
import io
import os
import platform
from contextlib import redirect_stdout

import onnxruntime as ort

from cct.errors import LibraryError
from cct.messages import first_line
from cct.runtime.cuda_build import cuda_build, dotted
from cct.runtime.cuda_driver import Driver, find_driver
from cct.runtime.library import supported

PROVIDER = "CUDAExecutionProvider"


def check_cuda(library: bool = True) -> None:
    """Make sure that all is there, as far as it can be known before ONNX Runtime tries.

    Args:
        library: whether our routines are to run, and not only ONNX Runtime's own.

    Raises:
        LibraryError: what is missing, and what to do.
    """
    if PROVIDER not in ort.get_available_providers():
        raise LibraryError(f"onnxruntime {ort.__version__} here has no {PROVIDER}: install onnxruntime-gpu instead")
    if library and not supported():
        raise LibraryError(f"cct has no library for {platform.system()} {platform.machine()}")
    if library and cuda_build() is None:
        raise LibraryError("cct's library was built without CUDA: reinstall cct with nvcc on the PATH")
    driver = find_driver()
    if not driver.gpus:
        raise LibraryError(f"the NVIDIA driver finds no GPU: {driver.problem or 'there is none'}")
    if library:
        _check_gpu(driver)


def _check_gpu(driver: Driver) -> None:
    """Whether the first GPU, which is the one that ONNX Runtime takes, runs what is in the library."""
    build = cuda_build()
    assert build is not None
    # A driver runs what any nvcc of its own major version made, and of all before.
    if driver.cuda[0] < build.nvcc[0]:
        raise LibraryError(
            f"the NVIDIA driver runs CUDA {dotted(driver.cuda)}, and nvcc {dotted(build.nvcc)} built cct's library: "
            f"install a driver for CUDA {build.nvcc[0]}"
        )
    if not build.image_for(driver.gpus[0].capability):
        raise LibraryError(f"cct's library has nothing for this GPU ({driver.gpus[0]}): it was built by {build}")


@functools.cache
def preload() -> None:
    """Load the libraries of CUDA and cuDNN that came by pip, which ONNX Runtime does not find by itself."""
    if hasattr(ort, "preload_dlls"):  # since 1.21
        with redirect_stdout(io.StringIO()):  # it prints what it lacks; `provider_problem` says it
            ort.preload_dlls()


def provider_problem() -> str:
    """Why ONNX Runtime, which has just tried, does not have its CUDA provider."""
    # Not before it has tried: the provider asks for its host when it is loaded, and never again.
    path = os.path.join(os.path.dirname(ort.__file__), "capi", "libonnxruntime_providers_cuda.so")
    try:
        ctypes.CDLL(path)
    except OSError as error:
        return f"{first_line(error)}: install onnxruntime-gpu[cuda,cudnn]"
    return "its log above says why"
