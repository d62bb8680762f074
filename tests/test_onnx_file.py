"""ONNX files that are not trusted: where a PatternConv may stand, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from cases import draw_packed, draw_values
from onnx import TensorProto, helper, numpy_helper

from cct.errors import CctError
from cct.onnx_file import pattern_convs, read_model


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    return draw_values(rng, draw_packed(rng, out_channels=8, in_channels=4), (1, 4, 8, 8), {"pads": (1, 1, 1, 1)})


def in_a_branch(model):
    """The node moves into both branches of an If."""
    node = model.graph.node.pop()
    branch = helper.make_graph([node], "branch", [], [helper.make_empty_tensor_value_info("Y")])
    model.graph.node.append(helper.make_node("If", ["c"], ["Z"], then_branch=branch, else_branch=branch))
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    model.graph.output[0].name = "Z"
    return branch


def test_a_node_in_a_branch_is_found_and_checked(case, tmp_path):
    model = case.model()
    in_a_branch(model)
    onnx.save(model, tmp_path / "m.onnx")
    assert len(pattern_convs(read_model(tmp_path / "m.onnx"))) == 2
    filters = next(t for t in model.graph.initializer if t.name == "filters")
    filters.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(filters) + 9999, "filters"))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(CctError, match="filters"):
        read_model(tmp_path / "m.onnx")


def test_a_node_in_a_function_of_others_is_refused(case, tmp_path):
    model = case.model()
    node = model.graph.node[0]
    opsets = [*model.opset_import]
    names = list(node.input)
    model.functions.append(helper.make_function("other", "Wrapped", names, ["Y"], [node], opsets))
    model.opset_import.append(helper.make_opsetid("other", 1))
    model.graph.node[0].CopyFrom(helper.make_node("Wrapped", names, ["Y"], domain="other"))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(CctError, match="inside a function"):
        read_model(tmp_path / "m.onnx")


def test_an_attribute_that_refers_to_another_is_none(case, tmp_path):
    model = case.model()
    pool = next(a for a in model.graph.node[0].attribute if a.name == "pool")
    pool.ClearField("ints")
    pool.ref_attr_name = "pool"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CctError):
        read_model(tmp_path / "m.onnx")


def test_sparse_initializers_are_refused(case, tmp_path):
    model = case.model()
    values, indices = np.ones(1, np.float32), np.zeros(1, np.int64)
    sparse = model.graph.sparse_initializer.add(dims=[4])
    sparse.values.CopyFrom(numpy_helper.from_array(values, "s"))
    sparse.indices.CopyFrom(numpy_helper.from_array(indices, "s_indices"))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(CctError, match="sparse"):
        read_model(tmp_path / "m.onnx")


def test_checking_takes_memory_by_the_size_of_the_file(tmp_path):
    """Many kernels and many positions, each few alone: their product is not to be laid out."""
    kernels, side = 20_000, 300
    arrays = {
        "W": np.zeros((kernels, 1, 1), np.float32),
        "filters": np.arange(kernels, dtype=np.int32) // 200,
        "channels": np.arange(kernels, dtype=np.int32) % 200,
        "patterns": (np.arange(kernels) % 256).astype(np.uint8),
        "order": np.arange(100, dtype=np.int32),
        "in_order": np.arange(200, dtype=np.int32),
        "B": np.zeros(100, np.float32),
    }
    pool = np.sort(np.random.default_rng(0).choice(side * side, 256, replace=False)).tolist()
    node = helper.make_node(
        "PatternConv", ["X", *arrays], ["Y"], domain="cct", kernel_shape=[side, side], strides=[1, 1], pads=[0] * 4,
        dilations=[1, 1], pool=pool, block=[1, 1], group=1, in_channels=200, out_channels=100, entries=1,
        clip_min=float("-inf"), clip_max=float("inf"), layout="NCHW",
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, 200, side, side])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [1, 100, 1, 1])],
        [numpy_helper.from_array(a, n) for n, a in arrays.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("cct", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "m.onnx")
    code = (
        "import resource, pathlib; from cct.onnx_file import read_model\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"read_model(pathlib.Path({str(tmp_path / 'm.onnx')!r}))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100_000  # kB, for a file of 300
