"""Runs the kernels' own source on the CPU: emulate.cpp, compiled once for each state of the sources."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.native.cuda.device_cases import DeviceCase, Launch
from tests.native.cuda.launch import THREADS
from tests.support.tools import missing, one_maker

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NATIVE = ROOT / "cct" / "native"
DEVICE_SOURCES = (
    *("pattern_conv.cu", "launch.h", "tiles.h", "device.h", "tf32.h", "ending.h", "slab_products.h"),
    *("gather.h", "halo.h", "halo_tf32.h", "halo_tile.h", "pointwise.h", "to_chunks.h", "finish.h", "plain.h"),
)
EMULATOR_SOURCES = ("emulate.cpp", "emulator.h", "emulated_block.h", "emulated_memory.h")
ACCESSES = ("loads", "stores", "copies", "matrices")


class Fault(Exception):
    """What a kernel does that it must not."""


class Range(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("begin", ctypes.c_void_p),
        ("bytes", ctypes.c_int64),
        ("writable", ctypes.c_int32),
    )


class Counters(ctypes.Structure):
    """Passes over the banks of shared memory, by ACCESSES, and how few they could be."""

    _fields_ = (
        ("passes", ctypes.c_int64 * 4),
        ("least", ctypes.c_int64 * 4),
        ("products", ctypes.c_int64),
        ("barriers", ctypes.c_int64),
    )


class Emulator:
    """The kernels, compiled by g++."""

    def __init__(self, name: str = "kernels", sources: Path = NATIVE, optimize: str = "-O2") -> None:
        """Compiles the kernels in a folder unless that was done before.

        Args:
            name: of the library in build/, which has one of each name.
            sources: has the kernels in cuda/.
            optimize: g++'s option.
        """
        compiler = shutil.which("g++")
        if not compiler:
            missing("no g++ to compile the emulator with")
        files = [*(sources / "cuda" / name for name in DEVICE_SOURCES), *(HERE / name for name in EMULATOR_SOURCES)]
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
        with one_maker("cuda-emulator") as folder:
            library = folder / f"{name}-{digest}{optimize}.so"
            if not library.exists():
                for old in folder.glob(f"{name}-*.so"):
                    old.unlink()
                self._compile(compiler, library, sources, optimize)
        self.library = ctypes.CDLL(str(library))
        self.library.cct_tile.restype = ctypes.c_char_p
        self.library.cct_size_of.restype = ctypes.c_int64

    @staticmethod
    def _compile(compiler: str, library: Path, sources: Path, optimize: str) -> None:
        options = ["-std=c++17", optimize, "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden"]
        folders = [f"-I{folder}" for folder in (sources, NATIVE, HERE)]
        command = [compiler, *options, "-DCCT_EMULATE", *folders, str(HERE / "emulate.cpp"), "-o", f"{library}.new"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not library.name.startswith("kernels-") or not done.stderr, done.stderr
        Path(f"{library}.new").rename(library)

    def launch(self, launch: Launch, seed: int = 0) -> Counters:
        """Runs a kernel on the arrays of its launch, its threads in an order that the seed draws, or raises a Fault."""
        arrays = [(launch.reads, 0), (launch.writes, 1)]
        ranges = [Range(n.encode(), a.ctypes.data, a.nbytes, w) for some, w in arrays for n, a in some.items()]
        counters, error = Counters(), ctypes.create_string_buffer(200)
        failed = self.library.cct_emulate(
            *(getattr(self.library, launch.kernel), (ctypes.c_int * 3)(*launch.grid), ctypes.c_int(THREADS)),
            *(ctypes.c_int64(launch.shared), ctypes.byref(launch.arguments)),
            *((Range * len(ranges))(*ranges), len(ranges), ctypes.c_uint32(seed)),
            *(ctypes.byref(counters), error, ctypes.c_size_t(len(error))),
        )
        if failed:
            raise Fault(f"{launch.kernel}: {error.value.decode()}")
        return counters

    def run(self, case: DeviceCase, seed: int = 0) -> dict[str, Counters]:
        """Runs a case, by kernel; raises a Fault, or an AssertionError when Y is wrong."""
        counters = {launch.kernel: self.launch(launch, seed) for launch in case.launches}
        case.check()
        return counters


def conflicts(counters: Iterable[Counters]) -> dict[str, float]:
    """Passes over the banks in units of those without conflicts."""
    every = list(counters)
    total = {name: (sum(c.passes[i] for c in every), sum(c.least[i] for c in every)) for i, name in enumerate(ACCESSES)}
    return {name: passes / least for name, (passes, least) in total.items() if least}
