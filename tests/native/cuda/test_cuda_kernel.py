"""The kernel of ONNX Runtime's CUDA provider, called as the runtime calls it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cct.operator.spec import NAMES
from tests.native.cuda.device_cases import Spec
from tests.native.cuda.fake_runtime import CUBLAS, DEVICE, USE_TF32, Refused, runtime_of
from tests.native.cuda.host import meant_by
from tests.native.native_binding import Arguments
from tests.support.cases import TYPES

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
HALO = Spec("float16", (1, 16, 12, 16), 32, act="relu")
GATHER = Spec("float16", (2, 24, 9, 7), 40, residual=True, act="clip")


@pytest.fixture
def runtime(cuda_library, mock_driver):
    return runtime_of(cuda_library, mock_driver)


def operator_of(runtime, case, residual):
    """The one that the runtime would choose for a case."""
    types = {np.dtype("f4"): 1, np.dtype("f2"): 10}
    name = "PatternConv" + ("Add" if residual else "") + {"none": "", "relu": "Relu", "clip": "Clip"}[case.act]
    (found,) = (
        op for op in runtime.operators
        if (op.name, op.provider, op.input_types[:2]) == (name, CUDA, [types[a.dtype] for a in (case.x, case.packed.W)])
    )  # fmt: skip
    return found


def arguments_of(case):
    return Arguments.of(case.packed, case.bias, **case.geometry, **case.clip)


def test_both_providers_have_every_name_and_type(runtime):
    registered = {(op.provider, op.name, tuple(op.input_types[:2])) for op in runtime.operators}
    types = [(1, 1), (1, 10), (10, 10)]
    assert registered == set(itertools.product((CPU, CUDA), NAMES, types))
    assert len(runtime.operators) == len(registered)


def test_cuda_reads_constants_on_the_host(runtime):
    """Where the library rearranges them; X and Z stay on the GPU."""
    for operator in runtime.operators:
        constants = -2 if operator.provider == CUDA else 0  # OrtMemTypeCPUInput
        assert operator.input_memory == [0, *[constants] * 7, 0][: len(operator.input_types)]


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("spec", [HALO, GATHER], ids=str)
def test_it_computes_on_the_runtimes_stream_and_memory(runtime, spec, types):
    case = spec.draw().cast(types)
    operator = operator_of(runtime, case, spec.residual)
    before = runtime.gpu.mock.mock_allocation_count()
    kernel = runtime.create(operator, arguments_of(case))
    assert runtime.gpu.mock.mock_allocation_count() == before + 1
    runtime.gpu.launches()
    inputs = {0: case.x} | ({} if case.z is None else {8: case.z})
    y = runtime.compute(operator, kernel, inputs, case.x.dtype)
    launches = runtime.gpu.launches()
    meant = meant_by(case, launches)
    assert (abs(y - meant.expected()) <= meant.bound()).all()
    gathers = any(launched.kernel.startswith("cct_to_chunks") for launched in launches)
    assert gathers == (spec is GATHER) == bool(runtime.taken)
    assert runtime.scratch == {}  # given back
    held = runtime.gpu.mock.mock_allocation_count()
    runtime.destroy(operator, kernel)
    assert runtime.gpu.mock.mock_allocation_count() == held - 1


@pytest.mark.parametrize(
    ("resources", "tf32"),
    [
        ({CUBLAS: 0xB1A5, USE_TF32: 1}, True),
        ({CUBLAS: 0xB1A5, USE_TF32: 0}, False),  # as a session is opened with use_tf32=0
        ({CUBLAS: 0xB1A5}, False),  # which is the same: 0 and unknown are both NULL
        ({}, True),  # a provider that has no resources at all: the default of those that have
        ({CUBLAS: "no stream", USE_TF32: "no stream"}, True),
    ],
)
def test_the_providers_option_decides_about_tf32(runtime, resources, tf32):
    case = GATHER.draw().cast("float32")
    operator = operator_of(runtime, case, True)
    kernel = runtime.create(operator, arguments_of(case))
    runtime.resources = resources
    runtime.gpu.launches()
    y = runtime.compute(operator, kernel, {0: case.x, 8: case.z}, "f4")
    launches = runtime.gpu.launches()
    meant = meant_by(case, launches)
    assert (abs(y - meant.expected()) <= meant.bound()).all()
    assert (launches[-1].kernel == "cct_plain_float32") == (not tf32)
    assert bool(runtime.taken) == tf32  # plain needs no workspace
    runtime.destroy(operator, kernel)


def test_it_runs_on_the_gpu_of_the_session(runtime):
    case = HALO.draw()
    runtime.gpu.launches()
    operator = operator_of(runtime, case, False)
    kernel = runtime.create(operator, arguments_of(case))
    assert DEVICE == 2
    assert runtime.gpu.mock.mock_modules_of(runtime.gpu.primary(DEVICE)) == 1
    runtime.destroy(operator, kernel)


def test_memory_that_is_not_there_is_a_status(runtime):
    case = GATHER.draw()
    operator = operator_of(runtime, case, True)
    runtime.full = True
    with pytest.raises(Refused, match=r"PatternConv: not enough memory on the GPU for .* bytes of weights"):
        runtime.create(operator, arguments_of(case))
    runtime.full = False
    kernel = runtime.create(operator, arguments_of(case))
    runtime.full = True
    with pytest.raises(Refused, match="PatternConv: workspace: out of memory"):
        runtime.compute(operator, kernel, {0: case.x, 8: case.z}, "f2")
    runtime.full = False
    assert runtime.compute(operator, kernel, {0: case.x, 8: case.z}, "f2").shape == case.z.shape
    runtime.destroy(operator, kernel)


def test_a_launch_that_fails_is_a_status_and_gives_memory_back(runtime, monkeypatch):
    case = GATHER.draw()
    operator = operator_of(runtime, case, True)
    kernel = runtime.create(operator, arguments_of(case))
    monkeypatch.setenv("CCT_MOCK_LAUNCH", "719")
    with pytest.raises(Refused, match="PatternConv: cct_to_chunks_float16: CUDA_ERROR_LAUNCH_FAILED"):
        runtime.compute(operator, kernel, {0: case.x, 8: case.z}, "f2")
    assert runtime.taken
    assert runtime.scratch == {}
    runtime.destroy(operator, kernel)


def test_constants_on_the_gpu_are_refused_and_not_read(runtime):
    case = HALO.draw()
    runtime.constants_on_gpu = True
    with pytest.raises(Refused, match="PatternConv: W lies in the memory of a device"):
        runtime.create(operator_of(runtime, case, False), arguments_of(case))


def test_a_wrong_file_is_refused_as_on_the_cpu(runtime):
    case = HALO.draw()
    arguments = arguments_of(case)
    arguments.pool = (0, 1, 2)
    with pytest.raises(Refused, match="PatternConv: pool has 3 numbers"):
        runtime.create(operator_of(runtime, case, False), arguments)


def test_a_library_without_cuda_says_how_to_get_it(strict_build, mock_driver):
    """As a session would: it has the provider, and our kernel for it tells what is missing."""
    runtime = runtime_of(strict_build / "libcct_ops.so", mock_driver)
    case = HALO.draw()
    with pytest.raises(Refused, match="built without CUDA: reinstall cct with nvcc on the PATH"):
        runtime.create(operator_of(runtime, case, False), arguments_of(case))
