"""As much of ONNX Runtime's C API as a kernel of the CUDA provider calls, with the memory of the driver of the tests.

The real provider exists only where a driver does. Objects of the runtime are numbers here.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint32, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.native.cuda.host import STREAM, Gpu
from tests.native.native_binding import Arguments

CONSTANTS = ("W", "filters", "channels", "patterns", "order", "in_order", "B")  # inputs 1 to 7
ALLOCATOR, GPU_MEMORY, CPU_MEMORY, CONTEXT, INFO = range(1, 6)
DEVICE = 2
CUBLAS, USE_TF32 = 10002, 10011  # resources of the provider
POINTERS = 26  # of an OrtCustomOp


class Refused(Exception):
    """The text of a status."""


@dataclass
class Tensor:
    """An OrtValue."""

    data: int
    shape: tuple[int, ...]
    memory: int = CPU_MEMORY
    keep: Any = None


@dataclass
class Operator:
    """What the library registers: an OrtCustomOp."""

    address: int
    functions: Any = field(init=False)

    def __post_init__(self) -> None:
        self.functions = (c_void_p * POINTERS).from_address(self.address)

    def ask(self, function: int, result: Any, *arguments: Any) -> Any:
        kinds = [c_size_t for _ in arguments]
        return ctypes.CFUNCTYPE(result, c_void_p, *kinds)(self.functions[function])(self.address, *arguments)

    @property
    def name(self) -> str:
        return str(self.ask(2, c_char_p).decode())

    @property
    def provider(self) -> str:
        return str(self.ask(3, c_char_p).decode())

    @property
    def input_types(self) -> list[int]:
        return [self.ask(4, c_int, i) for i in range(self.ask(5, c_size_t))]

    @property
    def input_memory(self) -> list[int]:
        return [self.ask(12, c_int, i) for i in range(self.ask(5, c_size_t))]


_KNOWN: list[Runtime] = []


class Runtime:
    """The API, one node, and one run."""

    def __init__(self, gpu: Gpu):
        self.gpu, self.arguments = gpu, Arguments()
        self.objects: dict[int, Any] = {}
        self.operators: list[Operator] = []
        self.inputs: list[Tensor] = []
        self.y: Tensor | None = None
        self.scratch: dict[int, int] = {}  # taken and not given back: bytes by address
        self.taken: list[int] = []
        self.full = False  # no more memory on the GPU
        self.resources: dict[int, int | str] = {CUBLAS: 0xB1A5, USE_TF32: 1}  # an answer of text is a status
        self.constants_on_gpu = False
        self.callbacks: list[Any] = []
        self.api = (c_void_p * 280)()
        _KNOWN.append(self)  # the library registers once with an API, which in a real runtime stays where it is
        self._fill()

    def register(self) -> None:
        """RegisterCustomOps, as a session with the library calls it."""

        class Base(ctypes.Structure):
            _fields_ = (("GetApi", c_void_p), ("GetVersionString", c_void_p))

        get_api = ctypes.CFUNCTYPE(c_void_p, c_uint32)(lambda _: ctypes.addressof(self.api))
        self.callbacks.append(get_api)
        base = Base(ctypes.cast(get_api, c_void_p), None)
        function = self.gpu.host.RegisterCustomOps
        function.restype, function.argtypes = c_void_p, [c_void_p, c_void_p]
        self._raise(function(None, ctypes.addressof(base)))

    def create(self, operator: Operator, arguments: Arguments) -> int:
        """The kernel of a node."""
        self.arguments = arguments
        arguments.struct()  # gives the arrays their types
        kernel = c_void_p()
        create = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_void_p))(operator.functions[17])
        self._raise(create(operator.address, ctypes.addressof(self.api), INFO, ctypes.byref(kernel)))
        assert kernel.value
        return kernel.value

    def compute(self, operator: Operator, kernel: int, inputs: dict[int, NDArray[Any]], dtype: Any) -> NDArray[Any]:
        """Y."""
        self.inputs = [Tensor(0, ()) for _ in range(9)]
        for index, array in inputs.items():
            memory = self.gpu.mock.mock_allocate(array.nbytes)
            ctypes.memmove(memory, array.ctypes.data, array.nbytes)
            self.inputs[index] = Tensor(memory, array.shape, GPU_MEMORY)
        compute = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_void_p)(operator.functions[18])
        self._raise(compute(kernel, CONTEXT))
        assert self.y
        count = int(np.prod(self.y.shape)) * np.dtype(dtype).itemsize
        return np.frombuffer(ctypes.string_at(self.y.data, count), dtype).reshape(self.y.shape)

    def destroy(self, operator: Operator, kernel: int) -> None:
        ctypes.CFUNCTYPE(None, c_void_p)(operator.functions[9])(kernel)

    def _raise(self, status: int | None) -> None:
        if status:
            raise Refused(self.objects[status].value.decode())

    def _new(self, thing: Any) -> int:
        number = 1000 + len(self.objects)
        self.objects[number] = thing
        return number

    def _status(self, text: str) -> int:
        return self._new(ctypes.create_string_buffer(text.encode()))

    def _set(self, slot: int, result: Any, kinds: list[Any], function: Any) -> None:
        callback = ctypes.CFUNCTYPE(result, *kinds)(function)
        self.callbacks.append(callback)
        self.api[slot] = ctypes.cast(callback, c_void_p)

    def _answer(self, slot: int, kinds: list[Any], function: Any) -> None:
        """A function whose last argument is where its answer goes; an answer of text is a status."""

        def call(*arguments: Any) -> int | None:
            answer = function(*arguments[:-1])
            if isinstance(answer, str):
                return self._status(answer)
            arguments[-1][0] = answer
            return None

        self._set(slot, c_void_p, kinds, call)

    def _fill(self) -> None:
        pointer, number, size = POINTER(c_void_p), POINTER(c_int64), POINTER(c_size_t)
        self._set(0, c_void_p, [c_int, c_char_p], lambda _, text: self._status(text.decode()))
        self._set(2, c_void_p, [c_void_p], lambda status: ctypes.addressof(self.objects[status]))
        self._set(93, None, [c_void_p], lambda _: None)
        self._answer(26, [c_char_p, pointer], lambda _: self._new("domain"))
        self._set(27, c_void_p, [c_void_p, c_void_p], lambda _, op: self.operators.append(Operator(op)))
        self._set(28, c_void_p, [c_void_p, c_void_p], lambda *_: None)

        def attribute(name: bytes) -> Any:
            return getattr(self.arguments, name.decode())

        self._answer(85, [c_void_p, c_char_p, POINTER(c_float)], lambda _, name: attribute(name))
        self._answer(86, [c_void_p, c_char_p, number], lambda _, name: attribute(name))
        self._set(87, c_void_p, [c_void_p, c_char_p, c_void_p, size], lambda _, n, *to: self._text(attribute(n), *to))
        self._set(163, c_void_p, [c_void_p, c_char_p, number, size], lambda _, n, *to: self._numbers(attribute(n), *to))
        self._set(249, c_void_p, [c_void_p, c_size_t, POINTER(c_int), pointer], self._constant)
        self._answer(278, [c_void_p, c_int, pointer], lambda *_: ALLOCATOR)

        self._answer(75, [c_void_p, c_size_t, pointer], lambda _, count: self._allocate(count))
        self._set(76, c_void_p, [c_void_p, c_void_p], self._free)
        self._answer(77, [c_void_p, pointer], lambda _: GPU_MEMORY)
        self._set(132, None, [c_void_p], lambda _: None)
        self._answer(72, [c_void_p, POINTER(c_int)], lambda _: DEVICE)
        self._answer(194, [c_void_p, pointer], lambda value: self.objects[value].memory)
        self._answer(225, [c_void_p, POINTER(c_int)], lambda memory: int(memory == GPU_MEMORY))

        self._answer(90, [c_void_p, c_size_t, pointer], lambda _, i: self._new(self.inputs[i]))
        self._set(91, c_void_p, [c_void_p, c_size_t, number, c_size_t, pointer], self._output)
        self._answer(193, [c_void_p, pointer], lambda _: STREAM)
        self._answer(265, [c_void_p, c_int, c_int, pointer], self._resource)
        self._answer(277, [c_void_p, c_void_p, c_size_t, pointer], self._scratch)
        self._answer(51, [c_void_p, pointer], lambda value: self.objects[value].data)
        self._answer(65, [c_void_p, pointer], lambda value: value)
        self._answer(61, [c_void_p, size], lambda value: len(self.objects[value].shape))
        self._set(62, c_void_p, [c_void_p, number, c_size_t], self._dims)
        self._set(99, None, [c_void_p], lambda _: None)

    def _text(self, text: str, to: int | None, size: Any) -> None:
        content = text.encode() + b"\0"
        size[0] = len(content)
        if to:
            ctypes.memmove(to, content, len(content))

    def _numbers(self, values: Any, to: Any, size: Any) -> None:
        size[0] = len(values)
        for i, value in enumerate(values if to else ()):
            to[i] = int(value)

    def _constant(self, _: int, index: int, is_constant: Any, value: Any) -> None:
        array = self.arguments.arrays[CONSTANTS[index - 1]]
        memory = GPU_MEMORY if self.constants_on_gpu else CPU_MEMORY
        is_constant[0] = 1
        value[0] = self._new(Tensor(array.ctypes.data, array.shape, memory, array))

    def _dims(self, value: int, to: Any, count: int) -> None:
        for i in range(count):
            to[i] = self.objects[value].shape[i]

    def _allocate(self, size: int) -> Any:
        return "out of memory" if self.full else self.gpu.mock.mock_allocate(size)

    def _free(self, allocator: int, memory: int) -> None:
        assert allocator == ALLOCATOR
        self.scratch.pop(memory, None)
        self.gpu.mock.mock_release(memory)

    def _resource(self, context: int, version: int, which: int) -> Any:
        assert (context, version) == (CONTEXT, 3)
        return self.resources.get(which, 0)

    def _scratch(self, context: int, memory_info: int, size: int) -> Any:
        assert (context, memory_info) == (CONTEXT, GPU_MEMORY)
        memory = self._allocate(size)
        if isinstance(memory, int):
            self.scratch[memory] = size
            self.taken.append(size)
        return memory

    def _output(self, _: int, index: int, dims: Any, count: int, value: Any) -> None:
        assert index == 0
        shape = tuple(dims[:count])
        self.y = Tensor(self.gpu.mock.mock_allocate(4 * int(np.prod(shape))), shape, GPU_MEMORY)
        value[0] = self._new(self.y)


def runtime_of(library: str | Path, driver: str | Path) -> Runtime:
    """A runtime that has registered the library."""
    runtime = Runtime(Gpu(library, driver))
    runtime.register()
    return runtime
