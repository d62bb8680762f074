"""The oldest ONNX Runtime that we support, in an environment of its own, beside the one that these tests run in."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

import cct
from tests.support.tools import BUILD, missing

ROOT = Path(__file__).parents[2]
OLDEST = "1.18"
NEEDED = (f"onnxruntime=={OLDEST}.1", "numpy<2", "hypothesis", "onnx", "onnx-ir", "pytest")

# Prints the version; writes the answers with and without the library. Raises unless it ran in the first alone.
ANSWER = """
import json, sys
import numpy, onnxruntime, cct
model, folder = sys.argv[1:]
images = numpy.load(folder + "/images.npy")
for name, library in (("library", True), ("body", False)):
    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, folder + "/profile"
    session = cct.session(model, threads=1, library=library, options=options)
    numpy.save(folder + "/" + name, session.run(None, {"input": images})[0])
    with open(session.end_profiling()) as profile:
        ran = {event["args"].get("op_name") for event in json.load(profile) if event["cat"] == "Node"}
    assert any(str(name).startswith("PatternConv") for name in ran) == library, ran
print(json.dumps([onnxruntime.__version__, sorted({"torch", "onnx"} & set(sys.modules))]))
"""


pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason=f"onnxruntime {OLDEST} has no wheel for this Python"
)


@pytest.fixture(scope="session")
def oldest() -> Path:
    """Folder of the programs of an environment with that runtime and this cct; kept in build/."""
    environment = BUILD / "oldest-runtime"
    for command in (
        [sys.executable, "-m", "venv", environment],
        [environment / "bin" / "pip", "install", "--quiet", "--only-binary=:all:", *NEEDED],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            version = ".".join(map(str, sys.version_info[:2]))
            missing(f"no environment with onnxruntime {OLDEST} for Python {version}: {said[-1] if said else ''}")
    # The package as an installation has it, by links: nothing to build, and always what is in the repository.
    (packages,) = environment.glob("lib/python*/site-packages")
    shutil.rmtree(packages / "cct", ignore_errors=True)
    (packages / "cct").mkdir()
    for path in (*(ROOT / "cct").iterdir(), ROOT / "passes", ROOT / "models", Path(cct.library_path())):
        (packages / "cct" / path.name).symlink_to(path)
    (packages / "tests.pth").write_text(str(ROOT))  # behind it, so that the repository's own cct/ is not found first
    return environment / "bin"


@pytest.mark.parametrize(
    "file",
    [
        "native/ort/test_operator.py",
        "native/ort/test_registration.py",
        "operator/test_reference.py",
        "operator/test_body.py",
        "operator/test_qlinear_body.py",
    ],
)
def test_the_tests_of_the_operator_pass(oldest, file):
    # onnx.reference is no leg of a runtime.
    options = ["--quiet", "-o", "pythonpath=", "-p", "no:cacheprovider", "-k", "not onnx.reference"]
    command = [oldest / "pytest", *options, ROOT / "tests" / file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def answers(python: Path | str, model: Path, folder: Path) -> tuple[str, dict[str, NDArray[Any]]]:
    """Version of the runtime that a Python has, and what the model answers there with and without the library."""
    command = [python, "-I", "-c", ANSWER, model, folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    version, heavy = json.loads(done.stdout)
    assert not heavy
    return version, {name: np.load(folder / f"{name}.npy") for name in ("library", "body")}


@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_the_same_file_gives_the_same_answers(oldest, compressed, tmp_path, weights):
    import torch

    from cct.checkpoint.load_model import load_model
    from cct.model_source import ModelSource

    network = load_model(ModelSource(compressed / "m.pt")).module
    images = np.random.default_rng(0).standard_normal((5, 1, 32, 32)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    cct.export(network, torch.from_numpy(images[:1]), tmp_path / "m.onnx", weights=weights)
    newest_version, newest = answers(sys.executable, tmp_path / "m.onnx", tmp_path)
    oldest_version, before = answers(oldest / "python", tmp_path / "m.onnx", tmp_path)
    assert newest_version == onnxruntime.__version__
    assert oldest_version.startswith(f"{OLDEST}.")
    scale = abs(newest["body"]).max()
    for answer in (newest["library"], before["library"], before["body"]):
        assert answer.shape == (5, 10)
        assert abs(answer - newest["body"]).max() < 1e-5 * scale
