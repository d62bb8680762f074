"""Functions that would be written out to more than anybody can hold are refused, by a count that takes no time."""

from __future__ import annotations

import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cct.errors import CctError
from cct.operator.check_expansion import MOST_NODES, check_expansion
from cct.operator.read_model import read_model

OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("f", 1)]


def call(name, x="x", y="y"):
    return helper.make_node(name, [x], [y], domain="f")


def function(name, nodes):
    return helper.make_function("f", name, ["x"], ["y"], nodes, OPSETS)


def chain(name, count, callee):
    """A function that calls another so often, one after the other."""
    names = ["x", *(f"t{i}" for i in range(count - 1)), "y"]
    return function(name, [call(callee, *names[i : i + 2]) for i in range(count)])


def relu(name="f0"):
    return function(name, [helper.make_node("Relu", ["x"], ["y"])])


def model(functions, node):
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 8, 8]) for n in "xy")
    graph = helper.make_graph([node], "g", [x], [y])
    return helper.make_model(graph, functions=functions, opset_imports=OPSETS, ir_version=10)


def doubling(levels):
    return model([relu(), *(chain(f"f{i}", 2, f"f{i - 1}") for i in range(1, levels + 1))], call(f"f{levels}"))


def branches(name):
    """An If whose branches each call a function."""
    inner = helper.make_graph([call(name, "x", "b")], "b", [], [helper.make_empty_tensor_value_info("b")])
    return helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)


def test_what_is_not_much_passes(tmp_path):
    onnx.save(doubling(12), tmp_path / "m.onnx")
    assert len(read_model(tmp_path / "m.onnx").functions) == 13
    check_expansion("m", model([relu(), chain("f1", MOST_NODES // 2, "f0")], call("f1")))


@pytest.mark.parametrize("levels", [20, 60, 90])
def test_functions_that_double(levels, tmp_path):
    onnx.save(doubling(levels), tmp_path / "m.onnx")
    start = time.monotonic()
    with pytest.raises(CctError, match=f"written out are .* nodes .* at most {MOST_NODES} ") as caught:
        read_model(tmp_path / "m.onnx")
    assert len(str(caught.value)) < 500
    assert time.monotonic() - start < 20


def test_a_chain_as_long_as_the_file():
    with pytest.raises(CctError, match="countless nodes"):
        check_expansion("m", doubling(20_000))


def test_calls_in_branches_count():
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True)))
    levels = [function(f"f{i}", [constant, branches(f"f{i - 1}")]) for i in range(1, 20)]
    with pytest.raises(CctError, match="written out"):
        check_expansion("m", model([relu(), *levels], call("f19")))


def test_constants_that_would_be_copied_count():
    weight = numpy_helper.from_array(np.zeros(2**20, np.float32))
    heavy = function("f0", [helper.make_node("Constant", [], ["w"], value=weight), call("g", "w")])
    check_expansion("m", model([heavy, chain("f1", 200, "f0")], call("f1")))
    with pytest.raises(CctError, match="bytes"):
        check_expansion("m", model([heavy, chain("f1", 300, "f0")], call("f1")))


@pytest.mark.parametrize("length", [1, 2, 50_000])
def test_functions_that_call_themselves(length):
    circle = [function(f"f{i}", [call(f"f{(i + 1) % length}")]) for i in range(length)]
    with pytest.raises(CctError, match="calls itself"):
        check_expansion("m", model(circle, call("f0")))


def test_a_circle_in_a_branch():
    with pytest.raises(CctError, match="f::f1 calls itself"):
        check_expansion("m", model([function("f1", [branches("f1")])], call("f1")))


def test_two_functions_of_one_name():
    with pytest.raises(CctError, match="two functions f::f0"):
        check_expansion("m", model([relu(), relu()], call("f0")))


def test_overloads_are_others():
    """A call of one overload is no call of another."""
    first, second = relu(), chain("f0", 2, "f0")
    second.overload = "twice"
    check_expansion("m", model([first, second], call("f0")))
