"""The C API of the library (`cct/native/cpu/pattern_conv.h`) for tensors on the CPU, on the threads of torch."""

from __future__ import annotations

import ctypes
import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cct.errors import LibraryError
from cct.operator.packed import Packed
from cct.runtime.library import load_library

_FLOAT32 = 1  # ONNX's number
_ERROR_BYTES = 512

_Int64s = ctypes.POINTER(ctypes.c_int64)
_Function = ctypes.c_void_p


class _Ints(ctypes.Structure):
    _fields_ = (("data", _Int64s), ("count", ctypes.c_int64))


class _Tensor(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("dims", _Int64s), ("rank", ctypes.c_int64))


class _Packed(ctypes.Structure):
    _fields_ = (
        ("layout", ctypes.c_char_p),
        *((name, _Ints) for name in ("kernel_shape", "strides", "pads", "dilations", "pool", "block")),
        *((name, ctypes.c_int64) for name in ("group", "in_channels", "out_channels", "entries")),
        *((name, ctypes.c_float) for name in ("clip_min", "clip_max")),
        *((name, ctypes.c_int32) for name in ("type", "weight_type")),
        *((name, _Tensor) for name in ("W", "filters", "channels", "patterns", "order", "in_order", "B")),
    )


class _OpenMP(ctypes.Structure):
    _fields_ = (("parallel", _Function), ("threads", ctypes.c_uint))


class _Threads(ctypes.Structure):
    _fields_ = (("parallel_for", _Function), ("pool", ctypes.POINTER(_OpenMP)))


@functools.cache
def _library() -> ctypes.CDLL:
    library = load_library()
    pointer, error = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_size_t]
    for name, arguments in {
        "cct_pattern_conv_create_for_training": [ctypes.POINTER(_Packed), ctypes.c_char_p, *error],
        "cct_pattern_conv_destroy": [pointer],
        "cct_pattern_conv_set_weights": [pointer] * 3,
        "cct_pattern_conv_prepare": [pointer, _Int64s, _Int64s, ctypes.POINTER(ctypes.c_size_t), *error],
        "cct_pattern_conv_run": [pointer, _Int64s, *[pointer] * 4, ctypes.POINTER(_Threads), *error],
        "cct_weight_gradient_create": [ctypes.POINTER(_Packed), ctypes.c_char_p, *error],
        "cct_weight_gradient_destroy": [pointer],
        "cct_weight_gradient_prepare": [pointer, _Int64s, _Int64s, ctypes.POINTER(ctypes.c_size_t), *error],
        "cct_weight_gradient_run": [pointer, _Int64s, *[pointer] * 4, ctypes.POINTER(_Threads), *error],
    }.items():
        function = getattr(library, name)
        function.argtypes = arguments
    library.cct_pattern_conv_create_for_training.restype = pointer
    library.cct_weight_gradient_create.restype = pointer
    library.cct_pattern_conv_set_weights.restype = None
    return library


@functools.cache
def _gomp_parallel() -> int | None:
    """Address by which torch's OpenMP runtime runs a function on its threads; None where torch has another one."""
    # A handle finds what its library needs, too: the runtime that torch itself calls, whatever its file is named.
    try:
        torch_cpu = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return ctypes.cast(torch_cpu.GOMP_parallel, _Function).value
    except (OSError, AttributeError):
        return None


def _threads() -> Any:
    """As many of torch's threads as torch itself uses; None computes in this one."""
    parallel, count = _gomp_parallel(), torch.get_num_threads()
    if parallel is None or count < 2:
        return None
    parallel_for = ctypes.cast(_library().cct_openmp_parallel_for, _Function)
    return ctypes.byref(_Threads(parallel_for, ctypes.pointer(_OpenMP(parallel, count))))


def _int64s(values: Any) -> Any:
    return (ctypes.c_int64 * len(values))(*values)


class _Native:
    """What one of the library's create functions makes of a convolution."""

    def __init__(self, functions: str, create: str, packed: Packed, **geometry: tuple[int, ...]) -> None:
        self._functions, self._handle = functions, None
        struct = _Packed(layout=b"NCHW", clip_min=-math.inf, clip_max=math.inf, type=_FLOAT32, weight_type=_FLOAT32)
        shapes = {"kernel_shape": packed.kernel_shape, "block": packed.block, "pool": packed.pool.reshape(-1).tolist()}
        for name, values in {**shapes, **geometry}.items():
            setattr(struct, name, _Ints(_int64s(values), len(values)))
        for name in ("group", "in_channels", "out_channels", "entries"):
            setattr(struct, name, getattr(packed, name))
        arrays = {
            "W": np.zeros(packed.W.shape, np.float32),
            "B": np.zeros(packed.out_channels, np.float32),
            **{name: getattr(packed, name) for name in ("filters", "channels", "patterns", "order", "in_order")},
        }
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        for name, array in arrays.items():
            setattr(struct, name, _Tensor(array.ctypes.data, _int64s(array.shape), array.ndim))
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        self._handle = getattr(_library(), f"{functions}_{create}")(ctypes.byref(struct), None, error, len(error))
        if not self._handle:
            raise LibraryError(error.value.decode())

    def __del__(self) -> None:
        if self._handle:
            getattr(_library(), f"{self._functions}_destroy")(self._handle)

    def _run(self, x: Tensor, other: Tensor | None, output: Tensor | None = None) -> Tensor:
        shape, dims, size = _int64s(x.shape), (ctypes.c_int64 * 4)(), ctypes.c_size_t()
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        prepare, run = (getattr(_library(), f"{self._functions}_{name}") for name in ("prepare", "run"))
        if prepare(self._handle, shape, dims, ctypes.byref(size), error, len(error)):
            raise LibraryError(error.value.decode())
        if output is None:
            output = x.new_empty(tuple(dims))
        elif other is not None and other.shape != tuple(dims):
            raise LibraryError(f"dY has the shape {tuple(other.shape)}, not {tuple(dims)}")
        scratch = torch.empty(size.value, dtype=torch.uint8)
        pointers = [None if tensor is None else tensor.data_ptr() for tensor in (x, other, output, scratch)]
        if run(self._handle, shape, *pointers, _threads(), error, len(error)):
            raise LibraryError(error.value.decode())
        return output


class NativeConvolution(_Native):
    """A convolution with the structure of `packed`, whose weights change.

    Args:
        packed: its W is of no account.
        geometry: strides, pads and dilations.
    """

    def __init__(self, packed: Packed, **geometry: tuple[int, ...]) -> None:
        super().__init__("cct_pattern_conv", "create_for_training", packed, **geometry)

    def run(self, x: Tensor, W: Tensor, bias: Tensor) -> Tensor:
        """Y of x; all tensors are float32, contiguous, and on the CPU; W has the shape of `packed.W`."""
        _library().cct_pattern_conv_set_weights(self._handle, W.data_ptr(), bias.data_ptr())
        return self._run(x, None)


class NativeWeightGradient(_Native):
    """The gradient of W of a convolution with the structure of `packed`; arguments as for `NativeConvolution`."""

    def __init__(self, packed: Packed, **geometry: tuple[int, ...]) -> None:
        super().__init__("cct_weight_gradient", "create", packed, **geometry)
        self._shape = packed.W.shape

    def run(self, x: Tensor, dy: Tensor) -> Tensor:
        """The gradient, in the shape of W; all tensors are float32, contiguous, and on the CPU."""
        return self._run(x, dy, x.new_empty(self._shape))
