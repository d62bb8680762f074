"""The operator in ONNX Runtime: one hand-built node without a function body, so that only the library can run it."""

from __future__ import annotations

import ctypes
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from cct.operator.spec import NAMES, VARIANTS, activation
from tests.native.native_binding import PATH, Arguments, run
from tests.support.cases import TYPES, draw_packed, draw_values

INPUTS = ("W", "filters", "channels", "patterns", "order", "in_order", "B")
ATTRIBUTES = (
    "kernel_shape", "strides", "pads", "dilations", "pool", "block", "group", "in_channels", "out_channels",
    "entries", "clip_min", "clip_max", "layout",
)  # fmt: skip


@pytest.fixture
def packed():
    return draw_packed(np.random.default_rng(0), out_channels=10, in_channels=6, group=2, block=(4, 2))


@pytest.fixture
def bias():
    return np.random.default_rng(1).standard_normal(10).astype(np.float32)


def model(arguments, shape=("n", 6, "h", "w"), residual=None, change=None, fed=(), after=(), x_type=None, name=None):
    """Bytes of a model of one PatternConv.

    Args:
        arguments: attributes and constant inputs.
        shape: of X.
        residual: shape of Z.
        change: a function of the node, before the model is made.
        fed: names of inputs that are no constants.
        after: nodes behind it, the last with output "out".
        x_type: of X and Z; None is that of B.
        name: of the operator; None is what the arguments ask for.
    """
    attributes = {name: getattr(arguments, name) for name in ATTRIBUTES}
    attributes |= {name: [int(i) for i in value] for name, value in attributes.items() if np.ndim(value)}
    names = ["X", *INPUTS, *(["Z"] if residual else [])]
    variant = activation(arguments.clip_min, arguments.clip_max) + ("_add" if residual else "")
    node = helper.make_node(name or VARIANTS[variant], names, ["Y"], domain="cct", **attributes)
    if change:
        change(node)
    kind = helper.np_dtype_to_tensor_dtype(x_type or arguments.arrays["B"].dtype)
    inputs = [helper.make_tensor_value_info("X", kind, shape)]
    inputs += [helper.make_tensor_value_info("Z", kind, residual)] if residual else []
    for constant in fed:
        array = arguments.arrays[constant]
        constant_kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        inputs.append(helper.make_tensor_value_info(constant, constant_kind, array.shape))
    graph = helper.make_graph(
        [node, *after], "g", inputs, [helper.make_empty_tensor_value_info("out" if after else "Y")],
        [numpy_helper.from_array(a, constant) for constant, a in arguments.arrays.items() if constant not in fed],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("cct", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def session(content, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # the errors come back as exceptions
    options.register_custom_ops_library(PATH)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def image(*shape):
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("residual", [False, True])
def test_it_computes_what_the_c_api_does(packed, threads, residual, types):
    geometry = {"strides": (2, 1), "pads": (1, 2, 0, 1), "dilations": (1, 2)}
    case = draw_values(np.random.default_rng(2), packed, (3, 6, 21, 40), geometry, "clip", residual).cast(types)
    arguments = Arguments.of(case.packed, case.bias, **geometry, **case.clip)
    content = model(arguments, residual=["n", 10, "p", "q"] if residual else None)
    got = session(content, threads).run(None, case.feeds())[0]
    assert got.dtype == case.x.dtype
    assert np.array_equal(got, run(None, case.x, case.packed, bias=case.bias, z=case.z, **geometry, **case.clip))


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_is_registered_for_all_types(packed, types, name):
    act = next((act for act in ("relu", "clip") if act.capitalize() in name), "none")
    case = draw_values(np.random.default_rng(2), packed, (1, 6, 9, 9), {}, act, "Add" in name).cast(types)
    arguments = Arguments.of(case.packed, case.bias, **case.clip)
    got = session(model(arguments, residual=case.z is not None and case.z.shape, name=name)).run(None, case.feeds())[0]
    assert np.array_equal(got, run(None, case.x, case.packed, bias=case.bias, z=case.z, **case.clip))


@pytest.mark.parametrize("name", ["PatternConv", "PatternConvRelu"])
def test_a_name_without_residual_takes_none(packed, bias, name):
    clip = {} if name == "PatternConv" else {"clip_min": 0.0}
    with pytest.raises(Exception, match="input"):
        session(model(Arguments.of(packed, bias, **clip), residual=(1, 10, 7, 7), name=name))


def test_a_name_with_residual_needs_one(packed, bias):
    with pytest.raises(Exception, match="input"):
        session(model(Arguments.of(packed, bias), name="PatternConvAdd"))


@pytest.mark.parametrize(
    ("name", "clip_min", "clip_max"),
    [
        ("PatternConv", 0.0, math.inf),
        ("PatternConvRelu", -math.inf, math.inf),
        ("PatternConvRelu", 0.0, 6.0),
        ("PatternConvRelu", 0.1, math.inf),
    ],
)
def test_attributes_that_contradict_the_name_are_refused(packed, bias, name, clip_min, clip_max):
    """Without the library the name alone would say what follows the convolution."""
    with pytest.raises(Exception, match="which its name does not say"):
        session(model(Arguments.of(packed, bias, clip_min=clip_min, clip_max=clip_max), name=name))


def test_constants_of_another_file_may_lie_at_odd_addresses(packed, bias, tmp_path):
    """ONNX Runtime maps such a file and hands out what lies there."""
    proto = onnx.load_from_string(model(Arguments.of(packed, bias)))
    content = bytearray(b"odd")
    for tensor in proto.graph.initializer:
        offset = len(content)
        content += tensor.raw_data + b"\0" * (len(tensor.raw_data) % 2)
        for key, value in (("location", "w.bin"), ("offset", offset), ("length", len(tensor.raw_data))):
            tensor.external_data.add(key=key, value=str(value))
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
    (tmp_path / "w.bin").write_bytes(content)
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    x = image(1, 6, 9, 9)
    assert np.array_equal(session(tmp_path / "m.onnx").run(None, {"X": x})[0], run(None, x, packed, bias=bias))


def test_a_batch_of_none(packed, bias):
    assert session(model(Arguments.of(packed, bias))).run(None, {"X": image(0, 6, 9, 9)})[0].shape == (0, 10, 7, 7)


def test_eight_threads_on_one_session_agree_with_one(packed, bias):
    shapes = [(1, 6, 9, 9), (2, 6, 56, 56), (1, 6, 112, 30), (5, 6, 7, 7)]
    images = [image(*shape) for shape in shapes]
    shared = session(model(Arguments.of(packed, bias, pads=(1, 1, 1, 1))), threads=2)
    alone = [shared.run(None, {"X": x})[0] for x in images]

    def many(thread):
        turns = [(thread + turn) % len(shapes) for turn in range(100)]
        return all(np.array_equal(shared.run(None, {"X": images[i]})[0], alone[i]) for i in turns)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(many, range(8)))


def test_scratch_is_given_back(packed, bias):
    """Not an arena that grows: the memory of the process after many runs is that after a few."""
    run_once = session(model(Arguments.of(packed, bias)))
    x = image(1, 6, 300, 300)

    def resident():
        with open("/proc/self/statm") as numbers:
            return int(numbers.read().split()[1]) * 4096

    for _ in range(20):
        run_once.run(None, {"X": x})
    before = resident()
    for _ in range(200):
        run_once.run(None, {"X": x})
    assert resident() - before < 50e6  # 200 leaked scratch buffers are more than 400 MB


# ---------------------------------------------------------------- shape inference


@pytest.mark.parametrize(
    ("shape", "attributes", "expected"),
    [
        ((2, 6, 20, 31), {}, [2, 10, 18, 29]),
        ((2, 6, 20, 31), {"strides": (2, 3), "pads": (1, 0, 1, 2), "dilations": (1, 2)}, [2, 10, 10, 10]),
        (("n", 6, 20, "w"), {"pads": (0, 1, 0, 1)}, ["n", 10, 18, "w"]),
        (("n", "c", "h", "w"), {"strides": (2, 1)}, ["n", 10, "(h+-3)/2+1", "(w+-3)/1+1"]),
        (("n", 6, 2**40, 9), {}, None),
        ((None, 6, 20, 31), {}, None),  # ONNX Runtime has no word for a size that nothing is known of
        (None, {}, None),
    ],
)
def test_the_shape_of_y_is_inferred(packed, bias, shape, attributes, expected):
    after = [helper.make_node("Identity", ["Y"], ["i"]), helper.make_node("Neg", ["i"], ["out"])]
    content = model(Arguments.of(packed, bias, **attributes), shape, after=after)
    assert session(content).get_outputs()[0].shape == (expected or [])


@pytest.mark.parametrize("types", TYPES)
def test_the_type_of_y_is_that_of_x(packed, types):
    case = draw_values(np.random.default_rng(2), packed, (1, 6, 9, 9), {}).cast(types)
    opened = session(model(Arguments.of(case.packed, case.bias)))
    assert opened.get_outputs()[0].type == opened.get_inputs()[0].type


def test_shapes_that_are_not_known_stay_right_at_run_time(packed, bias):
    shape = helper.make_node("Shape", ["Y"], ["out"])
    opened = session(model(Arguments.of(packed, bias), (None, 6, None, None), after=[shape]))
    assert opened.run(None, {"X": image(3, 6, 8, 9)})[0].tolist() == [3, 10, 6, 7]


# ---------------------------------------------------------------- faults


def without(name):
    def change(node):
        kept = [a for a in node.attribute if a.name != name]
        del node.attribute[:]
        node.attribute.extend(kept)

    return change


def replaced(name, value):
    def change(node):
        without(name)(node)
        node.attribute.append(helper.make_attribute(name, value))

    return change


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_missing_attribute_is_named(packed, bias, name):
    with pytest.raises(Exception, match=rf"(?s)PatternConv.*{name}"):
        session(model(Arguments.of(packed, bias), change=without(name)))


@pytest.mark.parametrize("name", ["kernel_shape", "group", "clip_min", "layout"])
def test_an_attribute_of_another_type_is_named(packed, bias, name):
    value = 1 if name == "layout" else "text"
    with pytest.raises(Exception, match=rf"(?s)PatternConv.*{name}"):
        session(model(Arguments.of(packed, bias), change=replaced(name, value)))


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_that_must_be_constant_is_named(packed, bias, name):
    with pytest.raises(Exception, match=f"PatternConv: {name} must be a constant initializer"):
        session(model(Arguments.of(packed, bias), fed=[name]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"strides": (1, 0)}, "strides = 0"),
        ({"pads": (1,) * 5}, "pads"),
        ({"layout": "NHWC"}, 'layout = "NHWC"'),
        ({"pool": (0, 1, 2)}, "pool has 3 numbers"),
        ({"clip_min": np.nan}, "clip_min = nan"),
        ({"in_channels": 2**40}, "in_channels = 1099511627776"),
    ],
)
def test_a_wrong_attribute_is_named(packed, bias, changed, message):
    arguments = Arguments.of(packed, bias)
    for name, value in changed.items():
        setattr(arguments, name, value)
    with pytest.raises(Exception, match=f"PatternConv: .*{message}"):
        session(model(arguments))


@pytest.mark.parametrize(
    "changed",
    [
        {"W": "f8"}, {"filters": "i8"}, {"patterns": "i4"}, {"B": "f2"}, {"X": "f2"}, {"X": "f2", "B": "f2"},
        {"X": "f2", "W": "f2"}, {"W": "f2", "B": "f2"},
    ],
)  # fmt: skip
def test_types_that_the_operator_does_not_have_are_refused(packed, bias, changed):
    arguments = Arguments.of(packed, bias)
    for name in changed.keys() - {"X"}:
        arguments.arrays[name] = arguments.arrays[name].astype(changed[name])
    with pytest.raises(Exception, match="PatternConv"):
        session(model(arguments, x_type=np.dtype(changed.get("X", "f4"))))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ((1, 5, 9, 9), "X has 5 channels, not 6"),
        ((1, 6, 2, 9), "kernel 3 with dilation 1 is larger than X with height 2 and padding 0 \\+ 0"),
        ((1, 6, 9, 0), "X has width 0"),
        ((6, 9, 9), "X has rank 3, not 4"),
    ],
)
def test_a_wrong_x_is_refused_when_it_runs(packed, bias, x, message):
    opened = session(model(Arguments.of(packed, bias), shape=None))
    with pytest.raises(Exception, match=f"PatternConv: {message}"):
        opened.run(None, {"X": np.zeros(x, np.float32)})
    assert opened.run(None, {"X": image(1, 6, 9, 9)})[0].shape == (1, 10, 7, 7)


@pytest.mark.parametrize("z", [(1, 10, 7, 8), (1, 10, 7), (1, 1, 1, 1), (2, 10, 7, 7)])
def test_a_residual_of_another_shape_is_refused(packed, bias, z):
    opened = session(model(Arguments.of(packed, bias), residual=[f"z{i}" for i in range(len(z))]))
    with pytest.raises(Exception, match="PatternConv: Z has another shape than Y"):
        opened.run(None, {"X": image(1, 6, 9, 9), "Z": np.zeros(z, np.float32)})


OUT_OF_MEMORY = """
import resource, sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
options.register_custom_ops_library(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
try:
    session.run(None, {"X": numpy.zeros((1, 6, 2000, 2000), numpy.float32)})
except Exception as error:
    print(error)
"""


def test_memory_that_is_not_there_is_an_error(packed, bias, tmp_path):
    """Padding and dilation that need 200 GB of scratch, in a process that may have 16."""
    path = tmp_path / "m.onnx"
    path.write_bytes(model(Arguments.of(packed, bias, pads=(65535,) * 4, dilations=(65535,) * 2)))
    command = [sys.executable, "-c", OUT_OF_MEMORY, path, PATH]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "PatternConv: scratch: " in said


def test_a_runtime_that_is_too_old_is_told_both_versions():
    """A runtime of API version 17: GetApi answers NULL to 18, and has CreateStatus."""
    create_status = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)
    get_api = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)
    get_version = ctypes.CFUNCTYPE(ctypes.c_void_p)
    said = []

    @create_status
    def status(code, message):
        said.append((code, message.decode()))
        return 1

    api = (ctypes.c_void_p * 100)(ctypes.cast(status, ctypes.c_void_p))
    asked = []

    @get_api
    def api_of(version):
        asked.append(version)
        return ctypes.addressof(api) if version <= 17 else None

    text = ctypes.create_string_buffer(b"1.17.3")
    version = get_version(lambda: ctypes.addressof(text))

    class Base(ctypes.Structure):
        _fields_ = [("GetApi", get_api), ("GetVersionString", get_version)]

    register = ctypes.CDLL(PATH).RegisterCustomOps
    register.restype = ctypes.c_void_p
    assert register(None, ctypes.byref(Base(api_of, version))) == 1
    assert asked[0] == 18
    (code, message), *more = said
    assert code != 0
    assert not more
    assert "1.18" in message
    assert "1.17.3" in message


def test_the_library_serves_many_sessions(packed, bias):
    content = model(Arguments.of(packed, bias))
    opened = [session(content) for _ in range(20)]
    x = image(1, 6, 9, 9)
    assert all(np.array_equal(s.run(None, {"X": x})[0], opened[0].run(None, {"X": x})[0]) for s in opened)


def test_onnx_itself_knows_nothing_of_the_node(packed, bias):
    """The tests above would pass with a function body too; there is none."""
    assert not onnx.load_from_string(model(Arguments.of(packed, bias))).functions
