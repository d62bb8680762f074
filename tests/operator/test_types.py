"""One row a pair of types, and nothing but a row."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from cct.errors import CctError, OperatorError
from cct.operator import types
from cct.operator.types import ACTIVATIONS, BIASES, TYPES, WEIGHTS, choose_types, rows_among, types_of_node


@pytest.mark.parametrize(
    ("weights", "activations", "name"),
    [
        ("float32", "float32", "float32"),
        ("float16", "float32", "float16 weights"),
        ("float16", "float16", "float16"),
        ("float32", "float16", "float16"),  # takes the weights along
    ],
)
def test_every_pair_that_may_be_asked_for(weights, activations, name):
    assert choose_types(weights, activations) is TYPES[name]


@pytest.mark.parametrize("asked", [("fp16", "float32"), ("float32", "fp16")])
def test_a_type_that_does_not_exist(asked):
    with pytest.raises(CctError, match="is 'fp16': it must be float32 or float16"):
        choose_types(*asked)


def test_the_types_of_a_node_are_its_row_alone():
    for row in TYPES.values():
        assert types_of_node(row.bias, row.weights) is row
    missing = set(itertools.product(BIASES, WEIGHTS)) - {(row.bias, row.weights) for row in TYPES.values()}
    for bias, weights in missing:
        assert np.dtype(weights).itemsize > np.dtype(bias).itemsize  # else the message has to be another
        with pytest.raises(OperatorError, match=f"W is {weights}, wider than B, which is {bias}"):
            types_of_node(bias, weights)


@pytest.mark.parametrize(("bias", "weights", "name"), [("float32", "int8", "W"), ("float64", "float32", "B")])
def test_a_node_of_another_type(bias, weights, name):
    with pytest.raises(OperatorError, match=rf"^{name} is (int8|float64); must be float32 or float16$"):
        types_of_node(bias, weights)


def test_rounded_weights_count_against_torch_alone():
    weights = TYPES["float16 weights"]
    assert weights.error_limit("body") == TYPES["float32"].error_limit("body") < weights.error_limit("torch")
    assert weights.error_limit("torch") == TYPES["float16"].error_limit("body")


def test_a_gpu_may_round_float32():
    for row in TYPES.values():
        assert row.tf32 == (row.error_limit("body") < row.error_limit("body", "cuda"))


def test_the_rows_among_the_types_of_a_file():
    assert [row.name for row in rows_among(["float32", "float16"], ["float32"])] == ["float32", "float16 weights"]
    assert [row.name for row in rows_among(["float32"], ACTIVATIONS)] == ["float32", "float16"]


def test_another_pair_is_another_row(monkeypatch):
    row = replace(TYPES["float32"], name="int8", activations="uint8", bias="int32", weights="int8")
    monkeypatch.setitem(TYPES, "int8", row)
    monkeypatch.setattr(types, "WEIGHTS", (*WEIGHTS, "int8"))
    monkeypatch.setattr(types, "ACTIVATIONS", (*ACTIVATIONS, "uint8"))
    monkeypatch.setattr(types, "BIASES", (*BIASES, "int32"))
    assert choose_types("int8", "uint8") is choose_types("float32", "uint8") is types_of_node("int32", "int8") is row
    with pytest.raises(CctError, match="weights are 'int8' and activations 'float32': they don't go together"):
        choose_types("int8", "float32")
