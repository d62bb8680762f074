from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from cases import draw_packed, draw_values

import cct
from cct.errors import CctError, OperatorError
from cct.onnx_file import read_model
from cct.parity import parity, proof, run
from cct.validate import Verdict


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    return draw_values(rng, draw_packed(rng, out_channels=8, in_channels=4), (2, 4, 8, 8), {"pads": (1, 1, 1, 1)})


def test_a_session_with_a_fixed_batch_takes_any_number_of_images(case):
    opened = cct.session(case.model().SerializeToString())
    images = np.random.default_rng(1).standard_normal((5, 4, 8, 8)).astype(np.float32)
    parts = [opened.run(None, {"X": np.stack([i, i])})[0][:1] for i in images]
    assert np.array_equal(run(opened, images), np.concatenate(parts))


def test_images_of_another_shape_are_refused(case):
    opened = cct.session(case.model().SerializeToString())
    with pytest.raises(CctError, match="the data has"):
        run(opened, np.zeros((1, 3, 8, 8), np.float32))


@pytest.mark.parametrize(
    ("signature", "body", "message"),
    [
        ("(float16[n,3,8,8] x) => (float16[n,3,8,8] y)", "y = Relu (x)", "takes tensor.float16.: it must take"),
        ("(float[n,3,8,8] x, float[n] z) => (float[n,3,8,8] y)", "y = Relu (x)", "takes tensor.float., tensor.float.:"),
        ("(float[99999999,3,8,8] x) => (float[99999999,3,8,8] y)", "y = Relu (x)", "99999999x3x8x8 is too large"),
        ("() => (float[2] y)", "y = Constant <value_floats: floats = [1.0, 2.0]> ()", "takes nothing"),
        ("(float[n,3,8,8] x) => (float y)", "y = ReduceMean <keepdims: int = 0> (x)", r"answers \[\] for 2 images"),
        ("(float[n,3,8,8] x) => (seq(float[n,3,8,8]) y)", "y = SequenceConstruct (x)", "answers a list"),
        ("(float[n,c,h,w] x) => (float[n,5] y)", "s = Constant <value_ints = [-1, 5]> () y = Reshape (x, s)", "run"),
    ],
)
def test_models_of_others_that_take_no_images(signature, body, message):
    text = f'<ir_version: 10, opset_import: ["": 18]> g {signature} {{ {body} }}'
    opened = cct.session(onnx.parser.parse_model(text).SerializeToString())
    with pytest.raises(CctError, match=message):
        run(opened, np.zeros((2, 3, 8, 8), np.float32))


def test_proof_counts_the_nodes_that_ran(case, tmp_path):
    onnx.save(case.model(), tmp_path / "m.onnx")
    assert proof(tmp_path / "m.onnx", case.x) == 1


def test_external_data_is_refused(case, tmp_path):
    onnx.save(case.model(), tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(CctError, match="other files"):
        read_model(tmp_path / "m.onnx")


def test_a_forged_operator_is_refused(case, tmp_path):
    proto = case.model()
    del proto.graph.node[0].attribute[0]
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises((OperatorError, CctError)):
        read_model(tmp_path / "m.onnx")


def test_a_verdict_without_goals_is_none():
    verdict = Verdict({"compressed": 90.0}, {"body": 1e3}, "CPUExecutionProvider", 0, {"packed": 1000}, [], [], [])
    assert verdict.as_dict()["passed"] is None
    assert verdict.to_text().endswith("no goal given")
    assert replace(verdict, goals=["size:threshold=1"]).as_dict()["passed"] is True


def test_json_has_no_nan():
    verdict = Verdict({"compressed": 90.0}, {"body": np.nan}, "CPUExecutionProvider", 0, {"packed": 1}, [], [], [])
    told = json.loads(verdict.to_json(), parse_constant=pytest.fail)
    assert told["parity"] == {"body": None}


def test_parity_with_weights_of_another_network(case, tmp_path):
    onnx.save(case.model(), tmp_path / "m.onnx")
    with pytest.raises(CctError, match="the pruned weights answer something else"):
        parity(tmp_path / "m.onnx", case.x, torch.nn.Conv2d(4, 3, 1))


def test_parity_of_a_model_that_takes_one_image_at_a_time(case, tmp_path):
    one = replace(case, x=case.x[:1])
    onnx.save(one.model(), tmp_path / "m.onnx")
    errors = parity(tmp_path / "m.onnx", np.concatenate([case.x, case.x]), None)
    assert set(errors) == {"body", "onnx.reference"}
    assert max(errors.values()) < 1e-5
