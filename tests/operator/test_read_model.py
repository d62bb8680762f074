"""ONNX files that are not trusted: where a PatternConv may stand, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cct.errors import CctError
from cct.operator.read_model import model_bytes, pattern_convs, read_model
from tests.support.cases import draw_packed, draw_values


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


@pytest.mark.parametrize("where", ["graph", "function"])
def test_a_subgraph_that_is_somewhere_else(where, tmp_path):
    """A branch that refers to an attribute, which nobody gives."""
    model = onnx.parser.parse_model(DENSE)
    branch = onnx.AttributeProto(name="then_branch", type=onnx.AttributeProto.GRAPH, ref_attr_name="b")
    node = helper.make_node("If", ["c"], ["y"], else_branch=helper.make_graph([], "e", [], []))
    node.attribute.append(branch)
    if where == "graph":
        model.graph.node.append(node)
    else:
        opsets = [helper.make_opsetid("", 18)]
        model.functions.append(helper.make_function("other", "F", ["c"], ["y"], [node], opsets, ["b"]))
        model.opset_import.append(helper.make_opsetid("other", 1))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(CctError, match="no valid ONNX model"):
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
        "import resource, pathlib; from cct.operator.read_model import read_model\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"read_model(pathlib.Path({str(tmp_path / 'm.onnx')!r}))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100_000  # kB, for a file of 300


def outside(tensor, file, location="w.bin", **fields):
    """The tensor with its numbers in another file."""
    file.write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **fields}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def constant(tensor, name="K"):
    return helper.make_node("Constant", [], [name], value=tensor)


def in_the_graph(model, node):
    model.graph.node.append(node)


def in_a_subgraph(model, node):
    branch = helper.make_graph([node], "b", [], [helper.make_empty_tensor_value_info(node.output[0])])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "sure"))
    model.graph.node.append(helper.make_node("If", ["sure"], ["Q"], then_branch=branch, else_branch=branch))


def in_a_function(model, node):
    function = helper.make_function("other", "Held", [], [node.output[0]], [node], [helper.make_opsetid("", 18)])
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("other", 1))
    model.graph.node.append(helper.make_node("Held", [], ["H"], domain="other"))


def in_an_attribute_of_a_function(model, node):
    in_a_function(model, helper.make_node("Constant", [], ["K"], value_float=1.0))
    default = model.functions[-1].attribute_proto.add(name="d", type=onnx.AttributeProto.TENSOR)
    default.t.CopyFrom(node.attribute[0].t)


PLACES = [in_the_graph, in_a_subgraph, in_a_function, in_an_attribute_of_a_function]


def held(folder, name="k"):
    return outside(numpy_helper.from_array(np.ones(100, np.float32), name), folder / "w.bin")


@pytest.mark.parametrize("put", PLACES)
def test_constants_in_other_files_are_weights_in_other_files(put, case, tmp_path):
    model = case.model()
    put(model, constant(held(tmp_path)))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(CctError, match="keeps weights in other files"):
        read_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("put", PLACES)
def test_sparse_constants_are_refused(put, case, tmp_path):
    model = case.model()
    values = numpy_helper.from_array(np.ones(1, np.float32), "v")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.zeros(1, np.int64), "i"), [4])
    node = helper.make_node("Constant", [], ["K"], sparse_value=sparse)
    if put is in_an_attribute_of_a_function:
        in_a_function(model, helper.make_node("Constant", [], ["K"], value_float=1.0))
        model.functions[-1].attribute_proto.append(node.attribute[0])
    else:
        put(model, node)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(CctError, match="sparse"):
        read_model(tmp_path / "m.onnx")


DENSE = """<ir_version: 10, opset_import: ["": 18]>
dense (float[1, 1, 8, 8] X) => (float[1, 1, 8, 8] Y) { Y = Relu (X) }"""


@pytest.fixture
def dense():
    return onnx.parser.parse_model(DENSE)


def size(path):
    return model_bytes(path, read_model(path))


def test_bytes_of_one_file(case, tmp_path):
    onnx.save(case.model(), tmp_path / "m.onnx")
    assert size(tmp_path / "m.onnx") == (tmp_path / "m.onnx").stat().st_size


@pytest.mark.parametrize("put", PLACES)
def test_bytes_in_other_files_count(put, dense, tmp_path, monkeypatch):
    put(dense, constant(held(tmp_path)))
    onnx.save(dense, tmp_path / "m.onnx")
    assert size(tmp_path / "m.onnx") == (tmp_path / "m.onnx").stat().st_size + 400
    monkeypatch.chdir(tmp_path)
    assert size(Path("m.onnx")) == (tmp_path / "m.onnx").stat().st_size + 400


def test_a_file_that_several_tensors_share_counts_once_and_whole(dense, tmp_path):
    for i in range(3):
        tensor = outside(numpy_helper.from_array(np.ones(4, np.float32), f"w{i}"), tmp_path / "w.bin", offset=4 * i)
        tensor.external_data.add(key="length", value="16")
        dense.graph.initializer.append(tensor)
    dense.graph.initializer.append(
        outside(numpy_helper.from_array(np.ones(4, np.float32), "w"), tmp_path / "v.bin", location="v.bin")
    )
    (tmp_path / "w.bin").write_bytes(bytes(1000))
    onnx.save(dense, tmp_path / "m.onnx")
    assert size(tmp_path / "m.onnx") == (tmp_path / "m.onnx").stat().st_size + 1000 + 16


@pytest.mark.parametrize("put", PLACES)
@pytest.mark.parametrize("location", ["none.bin", "../w.bin", "/etc/passwd", "pipe", "*/_ORT_MEM_ADDR_/*", "", "."])
def test_other_files_that_are_none(put, location, dense, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "in").mkdir()
    tensor = outside(numpy_helper.from_array(np.ones(100, np.float32), "k"), tmp_path / "w.bin", location)
    put(dense, constant(tensor))
    where = tmp_path / "in" if location.startswith("..") else tmp_path
    onnx.save(dense, where / "m.onnx")
    with pytest.raises(CctError) as caught:
        read_model(where / "m.onnx")
    assert "\n" not in str(caught.value)


def test_a_file_that_has_gone_since(dense, tmp_path):
    in_a_function(dense, constant(held(tmp_path)))
    onnx.save(dense, tmp_path / "m.onnx")
    model = read_model(tmp_path / "m.onnx")
    (tmp_path / "w.bin").unlink()
    with pytest.raises(CctError, match=r"w\.bin cannot be read: No such file"):
        model_bytes(tmp_path / "m.onnx", model)


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "zero.onnx").symlink_to("/dev/zero")
    for name in ("pipe.onnx", "zero.onnx"):
        with pytest.raises(CctError, match="no regular file"):
            read_model(tmp_path / name)
    with pytest.raises(CctError, match="is a folder"):
        read_model(tmp_path)
    with pytest.raises(CctError, match="no name"):
        read_model(tmp_path / "a\0.onnx")


@pytest.mark.parametrize("put", PLACES)
def test_constants_that_claim_more_than_the_file(put, dense, tmp_path):
    tensor = TensorProto(name="k", data_type=TensorProto.INT4, dims=[2**40], raw_data=bytes(4))
    put(dense, constant(tensor))
    (tmp_path / "m.onnx").write_bytes(dense.SerializeToString())
    with pytest.raises(CctError):
        read_model(tmp_path / "m.onnx")
