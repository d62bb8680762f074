"""`cct doctor`: the machine, and files that run here or do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import cct
from cct.runtime.library import isa
from tests.support.cases import draw_packed, draw_values
from tests.support.installation import install, python
from tests.support.process import run


def packed_file(folder: Path, types: str = "float16 weights", **metadata: str) -> Path:
    """Two images of a size that is open, one PatternConv."""
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=8, in_channels=4)
    proto = (
        draw_values(rng, packed, (2, 4, 8, 8), {"strides": (2, 1), "pads": (1, 1, 1, 1)}, "relu").cast(types).model()
    )
    proto.graph.node[0].name = "first\x1b[31m"
    for value in (proto.graph.input[0], proto.graph.output[0]):
        for at, name in ((0, "batch"), (2, "height"), (3, "width")):
            value.type.tensor_type.shape.dim[at].dim_param = name
    for key, text in metadata.items():
        proto.metadata_props.add(key=f"cct.{key}", value=text)
    onnx.save(proto, folder / "m.onnx")
    return folder / "m.onnx"


def parsed(folder: Path, text: str, **metadata: str) -> Path:
    proto = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 18, "other": 1]> {text}')
    for key, value in metadata.items():
        proto.metadata_props.add(key=f"cct.{key}", value=value)
    onnx.save(proto, folder / "f.onnx")
    return folder / "f.onnx"


def unknown(folder: Path, **metadata: str) -> Path:
    """A valid model with an operator of a domain that nobody has registered."""
    return parsed(folder, "g (float[1,3,8,8] x) => (float[1,3,8,8] y) { y = other.Shear (x) }", **metadata)


SEVENTHS = """g (float[n,3,8,8] x) => (float[a,b] y) {
    s = Constant <value_ints: ints = [7, -1]> () y = Reshape (x, s)
}"""


def test_the_machine(call):
    code, out, err = call("doctor", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["cct_doctor"] == 1
    assert told["software"]["onnxruntime"] == onnxruntime.__version__
    assert told["library"] == cct.library_path()
    assert told["isa"] == isa() in [row["name"] for row in told["rows"] if row["supported"]]
    assert told["cannot"]["cpu"] == told["problem"] == ""
    assert told["model"] is None
    text = call("doctor")[1]
    assert f"{isa()} runs" in text
    assert "cpu          yes" in text


def test_a_file(tmp_path, call):
    path = packed_file(tmp_path, size="16 24", minimum_onnxruntime="1.18")
    code, out, err = call("doctor", path, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)["model"]
    assert (told["file"], told["minimum_onnxruntime"], told["runs"]["cpu"]) == ("m.onnx", "1.18", "")
    (convolution,) = told["convolutions"]
    assert (convolution["form"], convolution["types"]) == ("PatternConvRelu", ["float32", "float16"])
    assert (convolution["block"], convolution["window"], convolution["strides"]) == ([4, 1], [3, 3], [2, 1])
    assert convolution["routines"] == {"cpu": isa(), "cuda": "tensor cores, tf32"}
    text = call("doctor", path)[1]
    assert "\x1b" not in text  # a file must not drive the terminal
    assert "m.onnx: 1 PatternConv, needs onnxruntime 1.18" in text
    assert "on cpu       opens and runs" in text


def test_float16_takes_tensor_cores(tmp_path, call):
    code, out, _ = call("doctor", packed_file(tmp_path, "float16"), "--json")
    assert code == 0
    assert json.loads(out)["model"]["convolutions"][0]["routines"]["cuda"] == "tensor cores"


def test_a_file_of_ours(compressed, call):
    code, out, _ = call("doctor", compressed / "m.onnx", "--json")
    assert code == 0
    assert len(json.loads(out)["model"]["convolutions"]) == 4


def test_a_file_without_pattern_convs(tmp_path, call):
    code, out, _ = call("doctor", parsed(tmp_path, "g (float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Relu (x) }"))
    assert code == 0
    assert "no PatternConv: cct's library has nothing to run in it" in out


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (unknown, "refuses"),
        (
            lambda f: unknown(f, minimum_onnxruntime="99.1"),
            f"needs onnxruntime 99.1 and here is {onnxruntime.__version__}",
        ),
        (lambda f: parsed(f, SEVENTHS), "opens, and does not run on one random image"),
        (lambda f: parsed(f, "g (float[a,b,c] x) => (float[a,b,c] y) { y = Relu (x) }"), "is open in dimension 1"),
    ],
)
def test_a_file_that_does_not_run(make, message, tmp_path, call):
    path = make(tmp_path)
    for given in ((), ("--json",)):
        code, out, err = call("doctor", path, *given)
        assert code == 2
        assert message in out
        assert message in err
        assert err.startswith("Error: ")
        assert err.count("\n") == 1


def test_what_is_no_onnx_file(tmp_path, call):
    (tmp_path / "m.onnx").write_bytes(b"no model")
    code, out, err = call("doctor", tmp_path / "m.onnx")
    assert (code, out) == (2, "")
    assert "no valid ONNX model" in err
    assert err.count("\n") == 1


def test_a_row_that_this_cpu_lacks_is_told():
    done = run("doctor", CCT_ISA="sve")
    assert done.returncode == 2
    assert "CCT_ISA forces sve" in done.stdout
    assert "CCT_ISA = sve is unknown" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("content", "message"), [(None, "is missing: reinstall cct"), ("x", "does not load")])
def test_a_library_that_is_missing_or_broken(content, message, tmp_path):
    library = install(tmp_path)
    if content:
        library.write_text(content)
    for given in ((), (packed_file(tmp_path),)):
        done = python(tmp_path, "-m", "cct", "doctor", *given)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"Error: {library} {message}")
        assert f"cpu          no: {library} {message}" in done.stdout


def test_elsewhere_files_run_as_dense_convolutions(tmp_path):
    install(tmp_path)
    done = python(tmp_path, "-m", "cct", "doctor", packed_file(tmp_path), elsewhere=True)
    assert done.returncode == 0, done.stderr
    assert "library      none for this platform" in done.stdout
    assert "on cpu       opens and runs" in done.stdout


def test_torch_is_not_imported(tmp_path):
    code = (
        "import sys\nfrom cct.cli.main import main\n"
        f"try: main(['doctor', {str(packed_file(tmp_path))!r}])\n"
        "except SystemExit as done: assert done.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
