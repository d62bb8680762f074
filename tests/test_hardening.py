"""What only a process shows: where its output goes when a stream is closed or nobody reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import COMMAND, MODEL, run_command


def shell(line: str, *given: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """A line of bash in which "$@" is the command."""
    command = ["bash", "-c", f"set -o pipefail; {line}", "bash", *map(str, (*COMMAND, *given))]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def test_whoever_reads_our_output_has_gone() -> None:
    done = shell('"$@" | true', "--help")
    assert (done.returncode, done.stderr) == (2, "")


@pytest.mark.parametrize(("closing", "output"), [("2>&-", ""), ("2>&1 >&-", "loud\n")])
def test_a_closed_stream_moves_nothing_to_the_other(closing: str, output: str, tmp_path) -> None:
    (tmp_path / "net.py").write_text("from cct.models import digits_net as make\nprint('loud')\n")
    done = shell(f'"$@" {closing}', "inspect", MODEL, "--arch", "./net.py:make", "--json", cwd=tmp_path)
    assert done.stdout.startswith(output or "{")
    assert "loud" not in (done.stderr if output else done.stdout)


def test_where_nothing_can_be_said_the_code_says_it() -> None:
    """An error whose line has no place is not 1, a gate that failed."""
    assert shell('"$@" 2> /dev/full', "inspect", "missing.onnx").returncode == 2


def test_a_full_disk_behind_the_output() -> None:
    done = shell('"$@" > /dev/full', "inspect", MODEL)
    assert done.returncode == 2
    assert done.stderr == "Error: what was to be written has no place (No space left on device): make room\n"


def test_a_current_folder_that_is_gone_is_told() -> None:
    """torch would end the process, and say that a library can't be loaded."""
    done = shell('cd "$(mktemp -d)" && rmdir "$PWD" && "$@"', "export", MODEL)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: the current folder is gone")
    assert len(done.stderr.splitlines()) == 1


def test_memory_that_does_not_hold_torch() -> None:
    done = shell('ulimit -v 1500000 && "$@"', "export", MODEL)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: out of memory: libtorch")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_after_the_end_changes_nothing(name: str) -> None:
    """While torch and ONNX Runtime take themselves down, after all is written."""
    last = f"import atexit, os, signal, sys; atexit.register(os.kill, os.getpid(), signal.{name})\n"
    code = f"{last}from cct.cli.main import main; main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, "inspect", MODEL], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_onnxruntime_keeps_and_sends_nothing(compressed: Path, tmp_path: Path) -> None:
    """From 1.31 on it has statistics of its use, in the home folder and that of temporary files."""
    done = shell('"$@"', "bench", compressed / "m.onnx", "--threads", 1, env={**os.environ, **places(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_onnxruntime_keeps_and_sends_nothing_from_python(compressed: Path, tmp_path: Path) -> None:
    code = "import sys, cct; cct.session(sys.argv[1])"
    done = run_command([sys.executable, "-c", code, str(compressed / "m.onnx")], None, places(tmp_path))
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def places(folder: Path) -> dict[str, str]:
    return dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(folder))
