from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import cct
from cct.errors import CctError
from tests.support.cases import draw_packed, draw_values
from tests.support.installation import install, python


def small_model():
    rng = np.random.default_rng(0)
    packed = draw_packed(rng, out_channels=8, in_channels=4)
    return draw_values(rng, packed, (1, 4, 8, 8), {"pads": (1, 1, 1, 1)}, "relu")


def test_the_library_is_a_file_that_loads_without_onnxruntime():
    path = Path(cct.library_path())
    assert path.name == "libcct_ops.so"
    assert ctypes.CDLL(str(path)).RegisterCustomOps


def test_a_session_needs_neither_torch_nor_onnx(tmp_path):
    case = small_model()
    onnx.save(case.model(), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", case.x)
    code = (
        "import sys, numpy as np, cct\n"
        f"y = cct.session({str(tmp_path / 'm.onnx')!r}).run(None, {{'X': np.load({str(tmp_path / 'x.npy')!r})}})[0]\n"
        f"np.save({str(tmp_path / 'y.npy')!r}, y)\n"
        "print(sorted({'torch', 'onnx', 'onnxscript', 'onnx_ir'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
    assert np.allclose(np.load(tmp_path / "y.npy"), case.expected(), atol=1e-4)


def test_an_unknown_provider_is_refused():
    with pytest.raises(CctError, match="give cpu or cuda"):
        cct.session(b"", provider="tpu")


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_a_broken_model_is_refused_in_one_line(content, tmp_path):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(CctError, match="refuses") as caught:
        cct.session(tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)


def test_a_provider_that_this_machine_lacks_is_an_error_and_no_fallback():
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU: the provider is there")
    assert onnxruntime.get_available_providers()
    with pytest.raises(CctError):
        cct.session(small_model().model().SerializeToString(), provider="cuda")


def test_onnxruntime_never_falls_back_by_itself():
    # its Python layer would print, turn to the CPU and go on when a provider fails
    assert cct.session(small_model().model().SerializeToString())._enable_fallback is False


def test_the_options_keep_their_threads():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    cct.session(small_model().model().SerializeToString(), options=options)
    assert options.intra_op_num_threads == 1
    cct.session(small_model().model().SerializeToString(), options=(other := onnxruntime.SessionOptions()), threads=2)
    assert other.intra_op_num_threads == 2


def test_public_names():
    assert sorted(name for name in dir(cct) if not name.startswith("_")) == sorted(cct.__all__)
    assert all(getattr(cct, name) for name in cct.__all__)
    with pytest.raises(AttributeError, match="no attribute 'compress_all'"):
        cct.compress_all  # noqa: B018


@pytest.fixture
def without_library(tmp_path):
    """A folder with an installation of cct, by links, that lacks the library; also the small model and its input."""
    install(tmp_path)
    case = small_model()
    onnx.save(case.model(), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", case.x)
    np.save(tmp_path / "expected.npy", case.expected())
    return tmp_path


ANSWER = """
import cct, numpy
answer = cct.session("m.onnx", library={library}).run(None, {{"X": numpy.load("x.npy")}})[0]
assert numpy.allclose(answer, numpy.load("expected.npy"), atol=1e-4)
"""
NO_LIBRARY = "cct has no library for Linux i686: the model runs as dense convolutions"


def test_options_reach_the_provider(monkeypatch):
    given = {}
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *a, **named: given.update(named) or real(*a, **named))
    model = small_model().model().SerializeToString()
    cct.session(model)
    assert given["providers"] == [("CPUExecutionProvider", {})]
    opened = cct.session(model, provider_options={"use_arena": 0})
    assert given["providers"] == [("CPUExecutionProvider", {"use_arena": 0})]
    assert opened.get_providers() == ["CPUExecutionProvider"]


def test_elsewhere_the_body_runs_and_the_session_says_so(without_library):
    done = python(without_library, "-c", ANSWER.format(library=True), elsewhere=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"<string>:3: UserWarning: {NO_LIBRARY}\n"


def test_whoever_wants_no_library_hears_nothing_of_it(without_library):
    for elsewhere in (False, True):
        done = python(without_library, "-c", ANSWER.format(library=False), elsewhere=elsewhere)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["validate m.onnx --data digits --max-error 1e-4", "bench m.onnx --rounds 2"])
def test_elsewhere_the_commands_work_and_say_so_in_one_line(without_library, compressed, command):
    shutil.copy(compressed / "m.onnx", without_library)
    done = python(without_library, "-m", "cct", *command.split(), elsewhere=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"Warning: {NO_LIBRARY}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is missing: reinstall cct where a C++17 compiler is present"), ("x", "does not load")],
)
def test_here_a_library_that_is_missing_or_broken_is_an_error(without_library, content, message):
    library = without_library / "cct" / "libcct_ops.so"
    if content:
        library.write_text(content)
    done = python(without_library, "-c", ANSWER.format(library=True))
    assert f"LibraryError: {library} {message}" in done.stderr.splitlines()[-1]
    for command in ("bench m.onnx", "validate m.onnx --data digits"):
        done = python(without_library, "-m", "cct", *command.split())
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"Error: {library} {message}")
