"""What a shell is told, by click's protocol: a kind and a word a line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tools import missing


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_cct(shell, call):
    code, out, _ = call("completion", shell)
    assert code == 0
    assert f"_CCT_COMPLETE={shell}_complete" in out


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        ("cct ex", ["plain,export"]),
        ("cct bench --prov", ["plain,--provider"]),
        ("cct bench m.onnx --provider ", ["plain,cpu", "plain,cuda"]),
        ("cct compress mod", ["file,mod"]),
        ("cct export m.pt --output mod", ["file,mod"]),
        ("cct bench m.onnx --against mod", ["file,mod"]),
    ],
)
def test_commands_options_and_files(words, answers, call, monkeypatch):
    monkeypatch.setenv("_CCT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    code, out, err = call()
    assert (code, out.split(), err) == (0, answers, "")


def test_bash_completes(tmp_path):
    """The script in a real bash: what it puts into COMPREPLY for `cct bench --prov`."""
    bash = shutil.which("bash")
    if bash is None:
        missing("no bash")
    (tmp_path / "cct").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cct "$@"\n')
    (tmp_path / "cct").chmod(0o755)
    asked = 'COMP_WORDS=(cct bench --prov); COMP_CWORD=2; _cct_completion cct; echo "${COMPREPLY[@]}"'
    script = f'set -e; PATH="{tmp_path}:$PATH"; eval "$(cct completion bash)"; {asked}'
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, timeout=60, cwd=Path(tmp_path))
    assert (done.returncode, done.stdout.split()) == (0, ["--provider"]), done.stderr
