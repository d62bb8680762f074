"""The wheel: what it holds, and that nothing of ours stands at the top level."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder]
    subprocess.run([*command, "-C", f"build-dir={folder}/build", ROOT], check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("cct-*.whl")))


def test_everything_in_the_wheel_is_inside_cct(wheel):
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"cct"}


def test_the_wheel_holds_what_the_tool_needs_and_no_sources_of_the_library(wheel):
    names = set(wheel.namelist())
    assert {
        "cct/libcct_ops.so",
        "cct/py.typed",
        "cct/data/digits.npz",
        "cct/recipe/builtin/clicktrain-paper.toml",
        "cct/recipe/builtin/positions.toml",
        "cct/models/digits_net.pt",
        "cct/models/resnet_cifar.py",
        "cct/passes/graph/pack_convolutions.py",
    } <= names
    assert not [name for name in names if name.endswith((".cpp", ".h", ".so.dbg")) or "/native/" in name]
    assert "-py3-none-" in wheel.filename


def test_installing_puts_no_folder_of_the_repository_on_the_path():
    code = "import importlib.util as u; print([n for n in ('models', 'passes', 'tests') if u.find_spec(n)])"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [[], ["compress"], ["validate"], ["doctor"], ["selftest"]])
def test_help_needs_no_heavy_import(command):
    code = (
        "import sys\nfrom cct.cli.main import main\n"
        f"try: main({[*command, '--help']!r})\n"
        "except SystemExit as exit: assert exit.code == 0\n"
        "print(sorted({'torch', 'onnx', 'onnxruntime', 'numpy', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Usage: cct" in done.stdout
