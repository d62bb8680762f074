"""The C API of libcct_ops.so (pattern_conv.h) through ctypes: any ISA row, in this process, without ONNX Runtime."""

from __future__ import annotations

import ctypes
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cct

PATH = os.environ.get("CCT_TEST_LIBRARY") or cct.library_path()  # another build of it, for the sanitizer tests
GUARD = 64  # numbers around what a routine may write

Int64s = ctypes.POINTER(ctypes.c_int64)
Task = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)
ParallelFor = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, Task, ctypes.c_size_t, ctypes.c_void_p)


class Ints(ctypes.Structure):
    _fields_ = [("data", Int64s), ("count", ctypes.c_int64)]


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("dims", Int64s), ("rank", ctypes.c_int64)]


class PackedStruct(ctypes.Structure):
    _fields_ = [
        ("layout", ctypes.c_char_p),
        *((name, Ints) for name in ("kernel_shape", "strides", "pads", "dilations", "pool", "block")),
        *((name, ctypes.c_int64) for name in ("group", "in_channels", "out_channels", "entries")),
        *((name, ctypes.c_float) for name in ("clip_min", "clip_max")),
        *((name, ctypes.c_int32) for name in ("type", "weight_type")),
        *((name, Tensor) for name in ("W", "filters", "channels", "patterns", "order", "in_order", "B")),
    ]


class Threads(ctypes.Structure):
    _fields_ = [("parallel_for", ParallelFor), ("pool", ctypes.c_void_p)]


DTYPES = {"filters": "i4", "channels": "i4", "patterns": "u1", "order": "i4", "in_order": "i4"}
ELEMENT_TYPES = {"float32": 1, "float16": 10}  # ONNX's numbers


def _bind(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    error = [ctypes.c_char_p, ctypes.c_size_t]
    library.cct_isa_name.restype = ctypes.c_char_p
    for create in (
        library.cct_pattern_conv_create,
        library.cct_pattern_conv_create_for_training,
        library.cct_weight_gradient_create,
    ):
        create.restype = ctypes.c_void_p
        create.argtypes = [ctypes.POINTER(PackedStruct), ctypes.c_char_p, *error]
    library.cct_pattern_conv_set_weights.restype = None
    library.cct_pattern_conv_set_weights.argtypes = [ctypes.c_void_p] * 3
    for destroy in (library.cct_pattern_conv_destroy, library.cct_weight_gradient_destroy):
        destroy.argtypes = [ctypes.c_void_p]
    for prepare in (library.cct_pattern_conv_prepare, library.cct_weight_gradient_prepare):
        prepare.argtypes = [ctypes.c_void_p, Int64s, Int64s, ctypes.POINTER(ctypes.c_size_t), *error]
    for run in (library.cct_pattern_conv_run, library.cct_weight_gradient_run):
        run.argtypes = [ctypes.c_void_p, Int64s, *[ctypes.c_void_p] * 4, ctypes.POINTER(Threads), *error]
    return library


LIBRARY = _bind(PATH)
ISAS = tuple(LIBRARY.cct_isa_name(row).decode() for row in range(LIBRARY.cct_isa_count()))  # best first
SUPPORTED = tuple(name for row, name in enumerate(ISAS) if LIBRARY.cct_isa_supported(row))


class NativeError(Exception):
    """What a C function answered."""


def float_type(array: NDArray[Any]) -> np.dtype[Any]:
    """What the library takes of W, B, X and Z: float16 as it is, anything else as float32."""
    return np.dtype("f2" if array.dtype == "f2" else "f4")


def _int64s(values: Any) -> Any:
    return (ctypes.c_int64 * len(values))(*values)


@dataclass
class Arguments:
    """All that a PatternConv node states; any of it may be replaced to make it wrong."""

    layout: str = "NCHW"
    kernel_shape: Any = (3, 3)
    strides: Any = (1, 1)
    pads: Any = (0, 0, 0, 0)
    dilations: Any = (1, 1)
    pool: Any = ()
    block: Any = (1, 1)
    group: int = 1
    in_channels: int = 1
    out_channels: int = 1
    entries: int = 1
    clip_min: float = -math.inf
    clip_max: float = math.inf
    type: int | None = None  # of X, B, Z, Y, and of W; None is what the arrays have
    weight_type: int | None = None
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, packed: Any, bias: NDArray[np.floating], **attributes: Any) -> Arguments:
        arrays = {name: bias if name == "B" else getattr(packed, name) for name in ("W", *DTYPES, "B")}
        names = ("kernel_shape", "block", "group", "in_channels", "out_channels", "entries")
        stated = {name: getattr(packed, name) for name in names}
        return cls(pool=packed.pool.reshape(-1).tolist(), arrays=arrays, **stated, **attributes)

    def struct(self) -> PackedStruct:
        struct = PackedStruct(layout=self.layout.encode(), clip_min=self.clip_min, clip_max=self.clip_max)
        for name in ("kernel_shape", "strides", "pads", "dilations", "pool", "block"):
            values = getattr(self, name)
            setattr(struct, name, Ints(_int64s(values), len(values)))
        for name in ("group", "in_channels", "out_channels", "entries"):
            setattr(struct, name, getattr(self, name))
        stated = {"W": self.weight_type, "B": self.type}
        struct.weight_type, struct.type = (
            ELEMENT_TYPES[str(float_type(self.arrays[name]))] if number is None else number
            for name, number in stated.items()
        )
        for name, array in self.arrays.items():
            array = np.ascontiguousarray(array, DTYPES.get(name, float_type(array)))
            self.arrays[name] = array  # what the struct points to
            setattr(struct, name, Tensor(array.ctypes.data, _int64s(array.shape), array.ndim))
        return struct


class _Handle:
    """What one of the library's create functions made of a convolution."""

    def __init__(self, functions: str, create: str, arguments: Arguments, isa: str | None):
        self._functions = functions
        error = ctypes.create_string_buffer(512)
        struct = arguments.struct()
        name = isa.encode() if isa is not None else None
        self._handle = getattr(LIBRARY, f"{functions}_{create}")(ctypes.byref(struct), name, error, len(error))
        if not self._handle:
            raise NativeError(error.value.decode())
        self._type = np.dtype(next(name for name, number in ELEMENT_TYPES.items() if number == struct.type))

    def __del__(self) -> None:
        if self._handle:
            getattr(LIBRARY, f"{self._functions}_destroy")(self._handle)

    def prepare(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        """Shape of Y and bytes of scratch."""
        error, dims, size = ctypes.create_string_buffer(512), (ctypes.c_int64 * 4)(), ctypes.c_size_t()
        prepare = getattr(LIBRARY, f"{self._functions}_prepare")
        if prepare(self._handle, _int64s(shape), dims, ctypes.byref(size), error, len(error)):
            raise NativeError(error.value.decode())
        return tuple(dims), size.value

    def _run(
        self,
        inputs: tuple[NDArray[np.floating] | None, ...],
        shape: tuple[int, ...],
        size: int,
        threads: int,
        scratch: float,
    ) -> Any:
        """An output of that shape. Fails when something beside it or the scratch was written, or not all of it."""
        count, room = math.prod(shape), -(-size // 4)
        y = np.full(count + 2 * GUARD, -12344, self._type)
        y[GUARD : GUARD + count] = np.nan
        memory = np.full(room + 2 * GUARD, scratch, np.float32)
        memory[room + GUARD :] = memory[:GUARD] = -12344
        assert inputs[0] is not None
        pointers = [None if array is None else array.ctypes.data for array in inputs]
        failures: list[BaseException] = []

        @ParallelFor
        def parallel_for(pool: Any, task: Any, count: int, argument: Any) -> int:
            if threads < 0:
                return 1
            try:
                if threads == 1:
                    for i in reversed(range(count)):
                        task(argument, i)
                else:
                    list(executor.map(lambda i: task(argument, i), range(count)))
            except BaseException as failure:
                failures.append(failure)
                return 1
            return 0

        error = ctypes.create_string_buffer(512)
        with ThreadPoolExecutor(max(threads, 1)) as executor:
            failed = getattr(LIBRARY, f"{self._functions}_run")(
                self._handle, _int64s(inputs[0].shape), *pointers,
                y[GUARD:].ctypes.data, memory.ctypes.data + 4 * GUARD,
                ctypes.byref(Threads(parallel_for, None)) if threads else None, error, len(error),
            )  # fmt: skip
        if failures:
            raise failures[0]
        if failed:
            raise NativeError(error.value.decode())
        for around in (y[:GUARD], y[GUARD + count :], memory[:GUARD], memory[room + GUARD :]):
            assert (around == -12344).all(), "written outside of the output or of the scratch"
        return y[GUARD : GUARD + count].reshape(shape)


class PatternConv(_Handle):
    """One convolution of one ISA row, as a session holds it, or a training."""

    def __init__(self, arguments: Arguments, isa: str | None = None, training: bool = False):
        super().__init__("cct_pattern_conv", "create_for_training" if training else "create", arguments, isa)

    def set_weights(self, weights: NDArray[np.floating], bias: NDArray[np.floating]) -> None:
        """Other numbers in the place of W and B."""
        weights, bias = (np.ascontiguousarray(array, float_type(array)) for array in (weights, bias))
        LIBRARY.cct_pattern_conv_set_weights(self._handle, weights.ctypes.data, bias.ctypes.data)

    def run(
        self, x: NDArray[np.floating], z: NDArray[np.floating] | None = None, threads: int = 1, scratch: float = np.nan
    ) -> Any:
        """Y.

        Args:
            x, z: input and residual.
            threads: 0 gives none, 1 does the tasks last to first, -1 does nothing and says so.
            scratch: what it is full of.
        """
        x = np.ascontiguousarray(x, self._type)
        dims, size = self.prepare(x.shape)
        assert z is None or z.shape == dims
        z = None if z is None else np.ascontiguousarray(z, self._type)
        return self._run((x, z), dims, size, threads, scratch)


class WeightGradient(_Handle):
    """The gradient of one convolution's weights, of one ISA row."""

    def __init__(self, arguments: Arguments, isa: str | None = None):
        super().__init__("cct_weight_gradient", "create", arguments, isa)
        self._shape = arguments.arrays["W"].shape

    def run(self, x: NDArray[np.floating], dy: NDArray[np.floating], threads: int = 1, scratch: float = np.nan) -> Any:
        """dW, in the shape of W; threads and scratch as `PatternConv.run` has them."""
        x, dy = np.ascontiguousarray(x, np.float32), np.ascontiguousarray(dy, np.float32)
        dims, size = self.prepare(x.shape)
        assert dy.shape == dims
        return self._run((x, dy), self._shape, size, threads, scratch)


def run(
    isa: str | None,
    x: NDArray[np.floating],
    packed: Any,
    *,
    bias: NDArray[np.floating],
    z: NDArray[np.floating] | None = None,
    threads: int = 1,
    **attributes: Any,
) -> Any:
    """Y of one call; `attributes` are strides, pads, dilations, clip_min, clip_max."""
    return PatternConv(Arguments.of(packed, bias, **attributes), isa).run(x, z, threads)
