"""Names on the command line: what is no regular file is refused before it is opened."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cct.cli.main import cli
from cct.cli.paths import Spec
from cct.cli.types import FILE, OUTPUT


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A pipe, a socket and an endless device, by links of any name."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
    Path("zero").symlink_to("/dev/zero")
    return ["pipe", "socket", "zero"]


def refused(kind: Any, value: str) -> str:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(value, None, None)
    return caught.value.message


def test_files_that_are_read(odd: list[str], tmp_path: Path) -> None:
    for name in odd:
        assert f"{name} is no regular file" in refused(FILE, name)
    assert "is a directory" in refused(FILE, str(tmp_path))
    assert "does not exist" in refused(FILE, "none")
    (tmp_path / "m.pt").write_bytes(b"")
    (tmp_path / "link.pt").symlink_to("m.pt")
    assert FILE.convert("link.pt", None, None) == Path("link.pt")


def test_names_with_a_null_character() -> None:
    for kind in (FILE, OUTPUT, Spec()):
        assert r"'a\x00.py:b' has a null character" in refused(kind, "a\0.py:b")


def test_code_data_and_recipes(odd: list[str], tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("")
    for good in ("./net.py:make", "cct.models:resnet20", "digits", str(tmp_path), "none.toml", "a:b:c"):
        assert Spec().convert(good, None, None) == good
    for name in odd:
        assert f"{name} is no regular file" in refused(Spec(), name)
        Path(f"{name}.py").symlink_to(name)
        assert f"{name}.py is no regular file" in refused(Spec(), f"./{name}.py:make")


PLACES = [
    ("compress", "{}", "--data", "digits"),
    ("compress", "{}", "--data", "digits", "--arch", "cct.models:resnet20"),
    ("compress", "MODEL", "--data", "{}"),
    ("compress", "MODEL", "--data", "{}:make"),
    ("compress", "MODEL", "--data", "digits", "--arch", "{}:make"),
    ("compress", "MODEL", "--data", "digits", "--recipe", "{}"),
    ("compress", "MODEL", "--data", "digits", "--teacher", "{}"),
    ("export", "{}"),
    ("inspect", "{}"),
    ("doctor", "{}"),
    ("bench", "{}"),
    ("bench", "MODEL", "--against", "{}"),
    ("validate", "{}", "--data", "digits"),
    ("validate", "MODEL", "--data", "digits", "--baseline", "{}"),
    ("validate", "MODEL", "--data", "digits", "--parity", "{}"),
]


@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_every_option_that_names_a_file(place: tuple[str, ...], odd: list[str], tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(b"")
    for name in (*odd, "a\0b"):
        given = [part.format(name).replace("MODEL", "m.pt") for part in place]
        outcome = CliRunner().invoke(cli, given)
        assert isinstance(outcome.exception, SystemExit), given
        assert outcome.exit_code == 2
        assert "no regular file" in outcome.output or "null character" in outcome.output


@pytest.mark.parametrize("option", ["-o", "--save-recipe"])
def test_every_option_that_names_a_file_to_write(option: str, tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(b"")
    outcome = CliRunner().invoke(cli, ["compress", str(tmp_path / "m.pt"), "--data", "digits", option, "a\0b"])
    assert outcome.exit_code == 2
    assert "null character" in outcome.output
