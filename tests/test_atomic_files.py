from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cct.atomic_files import check_target, place, write
from cct.errors import CctError

NAMES = ("a", "b", "c")


@pytest.fixture
def targets(tmp_path: Path) -> dict[Path, Path]:
    """Three new files in a folder of their own, and where they belong: a and b are there already, c is not."""
    (tmp_path / "run").mkdir()
    (tmp_path / "out").mkdir()
    for name in NAMES:
        (tmp_path / "run" / name).write_text(f"new {name}")
    for name in NAMES[:2]:
        (tmp_path / "out" / name).write_text(f"old {name}")
    return {tmp_path / "run" / name: tmp_path / "out" / name for name in NAMES}


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_write_replaces_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "a", b"1")
    write(tmp_path / "a", b"2")
    assert content(tmp_path) == {"a": "2"}
    with pytest.raises(CctError, match="none/a can't be written"):
        write(tmp_path / "none" / "a", b"1")


@pytest.mark.parametrize("name", ["m" * 250 + ".onnx", "ä" * 125 + ".onnx"])
def test_the_longest_names_are_written(name: str, tmp_path: Path) -> None:
    """What the file system takes, though a temporary name is made of it."""
    check_target(tmp_path / name, "-o", [])
    write(tmp_path / name, b"1")
    assert content(tmp_path) == {name: "1"}
    with pytest.raises(CctError, match="File name too long"):
        check_target(tmp_path / f"m{name}", "-o", [])


# The check by nobody, after imports that only root may read.
BY_NOBODY = """
import os, sys
from pathlib import Path
from cct.errors import CctError
from cct.atomic_files import check_target
os.setuid(65534)
try:
    check_target(Path(sys.argv[1]), "-o", [])
except CctError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize(
    ("folder", "file", "line"),
    [
        (0o1777, 0o644, "is there and can't be replaced"),  # as in /tmp
        (0o777, 0o600, "is there and can't be replaced"),  # what can't be read can't be kept aside
        (0o777, 0o644, ""),
        (0o766, 0o644, "can't be written"),
        (0o755, 0o644, "is no folder that can be written to"),
    ],
)
def test_what_another_user_owns_is_told_before_any_work(folder: int, file: int, line: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "m.onnx"
        path.touch()
        path.chmod(file)
        Path(name).chmod(folder)
        done = subprocess.run([sys.executable, "-c", BY_NOBODY, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert line in done.stdout
    assert bool(line) == bool(done.stdout)


def test_place_moves_all(targets: dict[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "run" / "2").write_text("left by a run that was killed")
    place(targets, tmp_path / "run")
    assert content(tmp_path / "out") == {name: f"new {name}" for name in NAMES}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_file_that_can_t_be_placed_leaves_all_as_they_were(
    number: int, targets: dict[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "run" / "2").write_text("left by a run that was killed")
    before = content(tmp_path / "out")
    (tmp_path / "run" / NAMES[number]).unlink()  # so that its rename fails
    with pytest.raises(CctError, match=rf"out/{NAMES[number]} can't be written \(No such file or directory\): give"):
        place(targets, tmp_path / "run")
    assert content(tmp_path / "out") == before


def test_a_folder_in_the_way_leaves_all_as_they_were(targets: dict[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out" / "c").mkdir()
    before = content(tmp_path / "out")
    with pytest.raises(CctError, match="out/c can't be written"):
        place(targets, tmp_path / "run")
    assert content(tmp_path / "out") == before


def test_an_interruption_leaves_all_as_they_were(targets: dict[Path, Path], tmp_path: Path) -> None:
    before = content(tmp_path / "out")
    code = """
import os, sys
from pathlib import Path
from cct.atomic_files import place
renames = 0
def look(event, arguments):
    global renames
    renames += event == "os.rename"
    if event == "os.rename" and renames == 3:
        raise KeyboardInterrupt
sys.addaudithook(look)
run, out = Path("run"), Path("out")
place({run / name: out / name for name in "abc"}, run)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "KeyboardInterrupt" in done.stderr
    assert content(tmp_path / "out") == before


def test_links_are_put_back_as_links(targets: dict[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out" / "a").unlink()
    (tmp_path / "out" / "a").symlink_to("b")
    (tmp_path / "run" / "c").unlink()
    with pytest.raises(CctError):
        place(targets, tmp_path / "run")
    assert os.readlink(tmp_path / "out" / "a") == "b"
