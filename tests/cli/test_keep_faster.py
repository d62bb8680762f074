"""`cct compress --keep-faster` as a process: what it chooses is this machine's matter, what it does with it is not."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.process import COMMAND, MODEL, run

GIVEN = ["compress", MODEL, "--data", "digits", "--compression", 8, "--include", "stem", "--threads", 1]
FOLDER = ".m.cct"


def skip_where_nothing_is_faster(said: str) -> None:
    if "nothing would be faster than dense on this machine" in said:
        pytest.skip("the library's routines are not faster than dense here")


def test_the_choice_is_told_and_its_recipe_replays_it_without_measuring(tmp_path: Path) -> None:
    given = ["--epochs", 0, "--keep-faster", "--save-recipe", "a.toml", "-o", "a.onnx", "--json"]
    first = run(*GIVEN, *given, cwd=tmp_path)
    skip_where_nothing_is_faster(first.stderr)
    assert first.returncode == 0, first.stderr
    assert "keep-faster, round 1: 5 layers pruned" in first.stderr
    report = json.loads(first.stdout)
    choice = {layer["name"]: layer for layer in report["keep_faster"]["layers"]}
    assert list(choice) == ["stem", "block1.conv1", "block1.conv2", "block2.conv1", "block2.conv2"]
    dense = [name for name, layer in choice.items() if layer["reason"]]
    assert report["recipe"]["exclude"] == dense
    assert report["recipe"]["compression"] == report["keep_faster"]["compression"]
    assert report["prunable"] == [name for name in choice if name not in dense]
    assert {layer["name"] for layer in report["layers"] if layer["op"] == "PatternConv"} <= set(report["prunable"])

    again = ["--recipe", "a.toml", "--save-recipe", "b.toml", "-o", "b.onnx", "--threads", 1, "--json"]
    second = run("compress", MODEL, "--data", "digits", *again, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "keep-faster" not in second.stderr
    assert json.loads(second.stdout)["keep_faster"] is None
    for ending in ("toml", "onnx", "pt"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_a_dry_run_shows_the_choice_and_writes_its_recipe_alone(tmp_path: Path) -> None:
    done = run(*GIVEN, "--dry-run", "--keep-faster", "--save-recipe", "a.toml", cwd=tmp_path)
    skip_where_nothing_is_faster(done.stderr)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("keep-faster  ")]
    assert [path.name for path in tmp_path.iterdir()] == ["a.toml"]


def test_where_nothing_is_faster_the_run_ends_before_it_trains(tmp_path: Path) -> None:
    # more than 2/3 of each layer stays, so nothing is packed
    done = run(*GIVEN, "--compression", 1.2, "--keep-faster", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("Error: --keep-faster: nothing would be faster than dense")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [["--portable", "inline"], ["--compression", 1]])
def test_what_packs_nothing_is_refused_at_once(tmp_path: Path, given: list[object]) -> None:
    done = run(*GIVEN, "--keep-faster", *given, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: --keep-faster measures packed layers")
    assert len(done.stderr.splitlines()) == 1


def test_a_run_that_is_resumed_keeps_its_choice(tmp_path: Path) -> None:
    given = [*GIVEN, "--epochs", 2, "-o", "m.onnx"]
    command = [*COMMAND, *map(str, given), "--keep-faster", "--save-recipe", "m.toml"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (tmp_path / FOLDER / "training.pt").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    skip_where_nothing_is_faster(said)
    assert process.returncode == 130, said

    other = run(*given, "--resume", cwd=tmp_path)
    assert other.returncode == 2
    assert "is of another run (keep-faster is False, was True)" in other.stderr
    choice = tmp_path / FOLDER / "choice.json"
    whole = choice.read_bytes()
    choice.write_bytes(whole[:-10])
    damaged = run(*given, "--keep-faster", "--resume", cwd=tmp_path)
    assert damaged.returncode == 2
    assert "choice.json can't be continued, it is missing or damaged" in damaged.stderr
    choice.write_bytes(whole)

    resumed = run(*given, "--keep-faster", "--resume", "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "keep-faster, round" not in resumed.stderr
    assert json.loads(resumed.stdout)["keep_faster"] == json.loads(whole)
    replayed = ["--recipe", "m.toml", "--threads", 1, "-o", "n.onnx"]
    replay = run("compress", MODEL, "--data", "digits", *replayed, cwd=tmp_path)
    assert replay.returncode == 0, replay.stderr
    for ending in ("onnx", "pt"):
        assert (tmp_path / f"m.{ending}").read_bytes() == (tmp_path / f"n.{ending}").read_bytes()
