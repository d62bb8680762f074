"""What only a process shows: where its output goes when a stream is closed or nobody reads it."""

from __future__ import annotations

import subprocess

import pytest
from process import COMMAND, MODEL


def shell(line: str, *given: object, **more: str) -> subprocess.CompletedProcess[str]:
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
