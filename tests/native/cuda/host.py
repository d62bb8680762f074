"""The C API of the CUDA routines (cuda_conv.h) through ctypes, on a driver that runs launches on the CPU."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.native.cuda import launch
from tests.native.cuda.tf32 import rounded
from tests.native.native_binding import Arguments, NativeError, PackedStruct
from tests.support.cases import Case
from tests.support.tools import missing, one_maker

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NATIVE = ROOT / "cct" / "native"
GUARD = 256  # bytes around what a kernel may write
STREAM = 0x5EA
DEVICES = {"8.0": 0, "7.5": 1, "9.0": 2, "7.0": 3, "12.0": 4, "8.6 with 4 multiprocessors": 5}  # mock_driver.cpp's

Int64s = ctypes.POINTER(ctypes.c_int64)
Allocate = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class Memory(ctypes.Structure):
    _fields_ = (("allocate", Allocate), ("release", Release), ("owner", ctypes.c_void_p))


class Launched(ctypes.Structure):
    """A launch as the driver saw it."""

    _fields_ = (
        ("name", ctypes.c_char * 32),
        ("grid", ctypes.c_int32 * 3),
        ("threads", ctypes.c_int32),
        ("shared_bytes", ctypes.c_int32),
        ("stream", ctypes.c_void_p),
        ("bytes", ctypes.c_ubyte * 256),
    )

    @property
    def kernel(self) -> str:
        return str(self.name.decode())

    @property
    def arguments(self) -> Any:
        kinds = {"cct_halo": launch.HaloArguments, "cct_gather": launch.GatherArguments}
        kinds["cct_pointwise"] = launch.PointwiseArguments
        kinds |= {"cct_to_chunks": launch.ChunksArguments, "cct_finish": launch.FinishArguments}
        kind = next((kind for name, kind in kinds.items() if self.kernel.startswith(name)), launch.PlainArguments)
        return kind.from_buffer_copy(self.bytes)


def compile_mock() -> Path:
    """mock_driver.cpp, compiled once for each state of the sources."""
    compiler = shutil.which("g++")
    if not compiler:
        missing("no g++ to compile the driver with")
    sources = [*sorted((NATIVE / "cuda").glob("*")), NATIVE / "format" / "float16.h", *sorted(HERE.glob("*.h"))]
    sources.append(HERE / "mock_driver.cpp")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    with one_maker("cuda-mock") as folder:
        library = folder / f"{digest}.so"
        if library.exists():
            return library
        options = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"]
        folders = [f"-I{folder}" for folder in (NATIVE, HERE)]
        command = [compiler, *options, "-DCCT_EMULATE", *folders, str(HERE / "mock_driver.cpp"), "-o", f"{library}.new"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        Path(f"{library}.new").rename(library)
    return library


def write_fake_nvcc(path: Path, *, release: str = "13.0", codes: str = "75 80 86 89 90 100 120") -> Path:
    """A compiler driver that knows these architectures and makes a fatbin of nothing."""
    lines = " ".join(f"sm_{code}" for code in codes.split())
    path.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *--version*) echo "Cuda compilation tools, release {release}, V{release}.0"; exit;;\n'
        f"*--list-gpu-code*) printf '%s\\n' {lines}; exit;; esac\n"
        'while [ $# -gt 0 ]; do case "$1" in -o) out=$2;; -MF) : > "$2";; esac; shift; done\n'
        "printf '\\120\\355\\125\\272nothing' > \"$out\"\n"
    )
    path.chmod(0o755)
    return path


def load(library: str | Path, driver: str | Path) -> tuple[ctypes.CDLL, ctypes.CDLL]:
    """The library, which will find the driver when it needs one."""
    os.environ["CCT_LIBCUDA"] = str(driver)
    host = ctypes.CDLL(str(library))
    mock = ctypes.CDLL(str(driver if Path(driver).exists() else library))  # a test may name one that is not there
    error = [ctypes.c_char_p, ctypes.c_size_t]
    host.cct_cuda_build.restype = ctypes.c_char_p
    host.cct_cuda_conv_create.restype = ctypes.c_void_p
    host.cct_cuda_conv_create.argtypes = [
        ctypes.POINTER(PackedStruct), ctypes.c_int, ctypes.POINTER(Memory), *error
    ]  # fmt: skip
    host.cct_cuda_conv_destroy.argtypes = [ctypes.c_void_p]
    host.cct_cuda_conv_prepare.argtypes = [
        ctypes.c_void_p, ctypes.c_int, Int64s, Int64s, ctypes.POINTER(ctypes.c_size_t), *error
    ]  # fmt: skip
    host.cct_cuda_conv_run.argtypes = [ctypes.c_void_p, ctypes.c_int, Int64s, *[ctypes.c_void_p] * 5, *error]
    if hasattr(mock, "mock_allocate"):
        mock.mock_allocate.restype = mock.mock_make_context.restype = ctypes.c_void_p
        mock.mock_allocate.argtypes = [ctypes.c_size_t]
        mock.mock_release.argtypes = mock.mock_modules_of.argtypes = [ctypes.c_void_p]
        mock.cuCtxPushCurrent_v2.argtypes = [ctypes.c_void_p]
        mock.cuDevicePrimaryCtxRetain.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int]
    return host, mock


class Gpu:
    """A library and the driver that it will find."""

    def __init__(self, library: str | Path, driver: str | Path):
        self.host, self.mock = load(library, driver)
        self.memory = Memory(
            Allocate(lambda _, size: self.mock.mock_allocate(size)),
            Release(lambda _, memory: self.mock.mock_release(memory)),
        )

    def primary(self, device: int) -> int | None:
        """The primary context of a device."""
        context = ctypes.c_void_p()
        self.mock.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
        return context.value

    def launches(self) -> list[Launched]:
        """Since the last call."""
        taken = (Launched * 64)()
        return list(taken[: self.mock.mock_take_launches(taken, len(taken))])


class OnGpu:
    """An array in the driver's memory, which nothing may write around."""

    def __init__(self, gpu: Gpu, array: NDArray[Any], offset: int = 0):
        self.gpu, self.shape, self.dtype = gpu, array.shape, array.dtype
        self.base = gpu.mock.mock_allocate(array.nbytes + offset)
        self.pointer = self.base + offset
        ctypes.memmove(self.pointer, array.ctypes.data, array.nbytes)

    def __del__(self) -> None:
        self.gpu.mock.mock_release(self.base)

    def array(self) -> NDArray[Any]:
        count = int(np.prod(self.shape)) * self.dtype.itemsize
        return np.frombuffer(ctypes.string_at(self.pointer, count), self.dtype).reshape(self.shape)


class CudaConv:
    """One convolution of the CUDA routines, as a session holds it."""

    def __init__(
        self, gpu: Gpu, arguments: Arguments, device: int = 0, memory: Memory | None = None, tf32: bool = True
    ):
        self.gpu, self.tf32, self.handle = gpu, tf32, None
        error = ctypes.create_string_buffer(512)
        struct = arguments.struct()
        self.type = np.dtype("f4" if struct.type == 1 else "f2")
        memory = memory or gpu.memory
        self.handle = gpu.host.cct_cuda_conv_create(struct, device, memory, error, len(error))
        if not self.handle:
            raise NativeError(error.value.decode())

    def __del__(self) -> None:
        if self.handle:
            self.gpu.host.cct_cuda_conv_destroy(self.handle)

    def prepare(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        """Shape of Y and bytes of workspace."""
        error, dims, size = ctypes.create_string_buffer(512), (ctypes.c_int64 * 4)(), ctypes.c_size_t()
        x_dims = (ctypes.c_int64 * 4)(*shape)
        answers = dims, ctypes.byref(size), error, len(error)
        if self.gpu.host.cct_cuda_conv_prepare(self.handle, self.tf32, x_dims, *answers):
            raise NativeError(error.value.decode())
        return tuple(dims), size.value

    def run(self, x: NDArray[Any], z: NDArray[Any] | None = None, offset: int = 0) -> NDArray[Any]:
        """Y; the arrays lie that many bytes beside an aligned address."""
        dims, size = self.prepare(x.shape)
        x_there, z_there = (
            None if a is None else OnGpu(self.gpu, np.ascontiguousarray(a, self.type), offset) for a in (x, z)
        )
        y, workspace = OnGpu(self.gpu, np.full(dims, np.nan, self.type)), OnGpu(self.gpu, np.zeros(size, np.uint8))
        error = ctypes.create_string_buffer(512)
        pointers = (
            x_there and x_there.pointer,
            z_there and z_there.pointer,
            y.pointer,
            workspace.pointer if size else None,
        )
        x_dims = (ctypes.c_int64 * 4)(*x.shape)
        if self.gpu.host.cct_cuda_conv_run(self.handle, self.tf32, x_dims, *pointers, STREAM, error, len(error)):
            raise NativeError(error.value.decode())
        return y.array()


def conv_of(gpu: Gpu, case: Case, device: int = 0, tf32: bool = True) -> CudaConv:
    """The convolution of a case."""
    return CudaConv(gpu, Arguments.of(case.packed, case.bias, **case.geometry, **case.clip), device, tf32=tf32)


def meant_by(case: Case, launches: Iterable[Launched]) -> Case:
    """The case whose values these launches compute: tensor cores round those of float32."""
    return rounded(case) if any(launched.kernel.endswith("tf32") for launched in launches) else case
