"""Forged models, on a build with the address and undefined behaviour sanitizers: an error or a result, nothing else.

The tests try 2,000. For more of them, and others:

    CCT_FORGED=20000 CCT_FORGED_SEED=1 pytest tests/native/forged/test_forged.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

import cct
from cct.errors import CctError
from cct.models import digits_net
from cct.operator.read_model import read_model
from tests.native.forged.base_model import base

TESTS = Path(__file__).parents[2]
COUNT, SEED = int(os.environ.get("CCT_FORGED", 2000)), int(os.environ.get("CCT_FORGED_SEED", 0))


@pytest.fixture
def exported(tmp_path):
    """A whole network: residuals, and arrays of thousands of kernels."""
    torch.manual_seed(0)
    module = digits_net().eval()
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and layer.in_channels > 1:
            taps = torch.rand(layer.out_channels // 4, layer.in_channels, 9).argsort(-1) < 4
            kept = taps & (torch.rand(*taps.shape[:2], 1) < 0.3)
            layer.weight.data *= kept.repeat_interleave(4, 0).reshape(layer.weight.shape)
    cct.export(module, torch.zeros(1, 1, 32, 32), tmp_path / "digits_net.onnx")
    return tmp_path / "digits_net.onnx"


@pytest.fixture
def forging_environment(sanitizer_environment, tmp_path):
    """Memory as on a machine that has little: what a forged size asks for fails, as it does without a sanitizer."""
    shim = tmp_path / "bad_alloc.so"
    source = Path(__file__).with_name("bad_alloc.cpp")
    subprocess.run(["c++", "-std=c++17", "-O2", "-shared", "-fPIC", source, "-o", shim, "-ldl"], check=True)
    options = "verify_asan_link_order=0:allocator_may_return_null=1:max_allocation_size_mb=256:hard_rss_limit_mb=3000"
    return sanitizer_environment | {
        "LD_PRELOAD": f"{shim} {sanitizer_environment['LD_PRELOAD']}",
        "ASAN_OPTIONS": f"{sanitizer_environment['ASAN_OPTIONS']}:{options}:quarantine_size_mb=32",
        "OMP_NUM_THREADS": "1",  # no threads before the fork
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": str(TESTS.parent),
    }


def test_a_forged_model_is_an_error_or_runs(forging_environment, exported):
    command = [sys.executable, "-m", "tests.native.forged.try_forged", str(COUNT), str(SEED), str(exported)]
    done = subprocess.run(command, env=forging_environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(report["outcomes"], indent=1))
    assert not report["failures"], "\n\n".join(f"{f['seed']}: {f['ended']}\n{f['said']}" for f in report["failures"])
    outcomes = report["outcomes"]
    assert sum(outcomes.values()) == COUNT
    for outcome in ("accepted, opened, run", "refused, not opened"):  # else nothing was tried
        assert outcomes.get(outcome, 0) > COUNT // 10


# ---------------------------------------------------------------- what was found


def scalar_filters(model):
    next(t for t in model.graph.initializer if t.name == "filters").CopyFrom(
        onnx.numpy_helper.from_array(np.array(0, np.int32), "filters")
    )


def more_bytes(model):
    next(t for t in model.graph.initializer if t.name == "W").raw_data += bytes(4)


def unknown_type(model):
    model.graph.input[0].type.tensor_type.elem_type = 29


def undefined_type(model):
    model.graph.input[0].type.tensor_type.elem_type = 0


def function_without_its_end(model):
    del model.functions[0].node[-1]


def huge_claim(model):
    model.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.INT4, dims=[2**40], raw_data=b"0"))


def huge_claim_of_a_node(model):
    tensor = TensorProto(data_type=TensorProto.INT4, dims=[2**40], raw_data=b"0")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))


def overridable(model):
    model.graph.input.append(helper.make_tensor_value_info("order", TensorProto.INT32, ["n"]))


FOUND = (
    scalar_filters, more_bytes, unknown_type, undefined_type, function_without_its_end, huge_claim,
    huge_claim_of_a_node, overridable,
)  # fmt: skip


@pytest.mark.parametrize("forge", FOUND)
def test_our_reader_refuses_what_it_once_stumbled_over(forge, tmp_path):
    model = base(0).model()
    onnx.save(model, tmp_path / "m.onnx")
    read_model(tmp_path / "m.onnx")
    forge(model)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(CctError):
        read_model(tmp_path / "m.onnx")
