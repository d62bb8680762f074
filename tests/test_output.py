from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cct.errors import CctError
from cct.output import place, write

NAMES = ("a", "b", "c")


@pytest.fixture
def made(tmp_path: Path) -> dict[Path, Path]:
    """Three new files in a folder of their own, and where they belong: a and b are there already, c is not."""
    (tmp_path / "aside").mkdir()
    (tmp_path / "out").mkdir()
    for name in NAMES:
        (tmp_path / "aside" / name).write_text(f"new {name}")
    for name in NAMES[:2]:
        (tmp_path / "out" / name).write_text(f"old {name}")
    return {tmp_path / "aside" / name: tmp_path / "out" / name for name in NAMES}


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_write_replaces_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "a", b"1")
    write(tmp_path / "a", b"2")
    assert content(tmp_path) == {"a": "2"}
    with pytest.raises(CctError, match="none/a can't be written"):
        write(tmp_path / "none" / "a", b"1")


def test_place_moves_all(made: dict[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "aside" / "2").write_text("left by a run that was killed")
    place(made, tmp_path / "aside")
    assert content(tmp_path / "out") == {name: f"new {name}" for name in NAMES}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_file_that_can_t_be_placed_leaves_all_as_they_were(
    number: int, made: dict[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "aside" / "2").write_text("left by a run that was killed")
    before = content(tmp_path / "out")
    (tmp_path / "aside" / NAMES[number]).unlink()  # so that its rename fails
    with pytest.raises(CctError, match=rf"out/{NAMES[number]} can't be written \(No such file or directory\): give"):
        place(made, tmp_path / "aside")
    assert content(tmp_path / "out") == before


def test_a_folder_in_the_way_leaves_all_as_they_were(made: dict[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out" / "c").mkdir()
    before = content(tmp_path / "out")
    with pytest.raises(CctError, match="out/c can't be written"):
        place(made, tmp_path / "aside")
    assert content(tmp_path / "out") == before


def test_an_interruption_leaves_all_as_they_were(made: dict[Path, Path], tmp_path: Path) -> None:
    before = content(tmp_path / "out")
    code = """
import os, sys
from pathlib import Path
from cct.output import place
renames = 0
def look(event, arguments):
    global renames
    renames += event == "os.rename"
    if event == "os.rename" and renames == 3:
        raise KeyboardInterrupt
sys.addaudithook(look)
aside, out = Path("aside"), Path("out")
place({aside / name: out / name for name in "abc"}, aside)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "KeyboardInterrupt" in done.stderr
    assert content(tmp_path / "out") == before


def test_links_are_put_back_as_links(made: dict[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out" / "a").unlink()
    (tmp_path / "out" / "a").symlink_to("b")
    (tmp_path / "aside" / "c").unlink()
    with pytest.raises(CctError):
        place(made, tmp_path / "aside")
    assert os.readlink(tmp_path / "out" / "a") == "b"
