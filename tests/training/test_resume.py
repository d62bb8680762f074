"""`cct compress` as a process that is interrupted and killed at several moments, and continued."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.process import COMMAND, MODEL

FOLDER = ".m.cct"
OUTPUTS = ["m.onnx", "m.pt", "m.report.json"]
ARGUMENTS = ["compress", str(MODEL), "--data", "digits", "--epochs", "2", "--threads", "1", "-o", "m.onnx"]

# The command line in a process that is killed when one of its three outputs is in place.
KILLED_WHILE_PLACING = """
import os, sys
from cct.cli.main import main
def look(event, arguments):
    if event == "os.rename" and arguments[1] == "m.pt":
        os.kill(os.getpid(), 9)
sys.addaudithook(look)
main()
"""


def start(folder: Path, *more: str, command: tuple[str, ...] = COMMAND) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*command, *ARGUMENTS, *more], cwd=folder, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
    )


def finish(folder: Path, *more: str) -> tuple[int, str]:
    process = start(folder, *more)
    said = process.communicate(timeout=300)[1]
    return process.returncode, said


def wait(process: subprocess.Popen[str], holds: Callable[[], bool]) -> None:
    """Until something is so, while the process runs."""
    while not holds():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted; where there is nothing to resume, --resume starts one."""
    folder = tmp_path_factory.mktemp("whole")
    code, said = finish(folder, "--resume")
    assert code == 0, said
    assert said.splitlines()[0] == "there is no interrupted run of m.onnx: starting from the beginning"
    assert names(folder) == OUTPUTS
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_run_that_is_stopped_again_and_again_ends_in_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    work = tmp_path / FOLDER

    process = start(tmp_path)
    wait(process, (work / "training.pt").exists)
    code, said = finish(tmp_path)
    assert code == 2
    assert said == "Error: another cct is writing m.onnx: wait for it, or give another --output\n"
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.splitlines()[-3] == f"{FOLDER} keeps what is trained: the same command with --resume continues"
    assert said.splitlines()[-1] == "Interrupted"
    assert names(tmp_path) == [FOLDER]

    code, said = finish(tmp_path)
    assert code == 2
    assert said == f"Error: {FOLDER} holds an interrupted run: continue it with --resume, or delete that folder\n"
    code, said = finish(tmp_path, "--resume", "--lr", "0.01")
    assert code == 2
    assert "is of another run (learning_rate is 0.01, was 0.05)" in said
    assert len(said.splitlines()) == 1
    assert names(tmp_path) == [FOLDER]

    process = start(tmp_path, "--resume")  # killed while it writes the model
    wait(process, lambda: bool(list(work.glob(".packed.onnx.*")) or list(work.glob("packed.onnx"))))
    process.kill()
    # An epoch after the cut may take less time than the start of the process that was refused.
    assert re.search("continuing after epoch [12]/2", process.communicate()[1])
    assert names(tmp_path) == [FOLDER]

    process = start(tmp_path, "--resume", command=(sys.executable, "-c", KILLED_WHILE_PLACING))
    assert "continuing after epoch 2/2" in process.communicate(timeout=300)[1]
    assert process.returncode == -signal.SIGKILL
    assert names(tmp_path) == [FOLDER, "m.onnx"]

    code, said = finish(tmp_path, "--resume")
    assert code == 0, said
    assert names(tmp_path) == OUTPUTS
    for name in OUTPUTS[:2]:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("SIGINT", 130, "Interrupted"),
        ("SIGTERM", 2, "Error: ended by SIGTERM"),
        ("SIGHUP", 2, "Error: ended by SIGHUP"),
    ],
)
def test_an_end_before_the_first_epoch_leaves_nothing(name: str, code: int, line: str, tmp_path: Path) -> None:
    process = start(tmp_path)
    wait(process, (tmp_path / FOLDER).exists)
    process.send_signal(signal.Signals[name])
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert said.splitlines() == ["", line] if name == "SIGINT" else [line]  # below the ^C of the terminal
    assert "--resume" not in said
    assert not names(tmp_path)
