"""`cct compress --block auto` as a process: what it chooses is this machine's matter, what it does with it is not."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cct.recipe.blocks import format_blocks
from cct.recipe.recipe import Recipe
from cct.tuning.choose_blocks import CANDIDATES
from tests.support.process import COMMAND, MODEL, run

GIVEN = ["compress", MODEL, "--data", "digits", "--compression", 8, "--include", "stem", "--threads", 1]
LAYERS = ["stem", "block1.conv1", "block1.conv2", "block2.conv1", "block2.conv2"]
FOLDER = ".m.cct"


def test_the_choice_is_told_and_its_recipe_replays_it_without_measuring(tmp_path: Path) -> None:
    given = ["--epochs", 0, "--block", "auto", "--save-recipe", "a.toml", "-o", "a.onnx", "--json"]
    first = run(*GIVEN, *given, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "block auto" in first.stderr
    report = json.loads(first.stdout)
    choice = report["block_auto"]
    assert [layer["name"] for layer in choice["layers"]] == LAYERS
    for layer in choice["layers"]:
        assert list(layer["milliseconds"]) == [format_blocks(block) for block in CANDIDATES]
        assert {len(times) for times in layer["milliseconds"].values()} == {len(choice["threads"])}
    saved = Recipe.from_toml((tmp_path / "a.toml").read_text())
    assert {layer["name"]: layer["block"] for layer in choice["layers"]} == {
        name: format_blocks(saved.block_of(name)) for name in LAYERS
    }
    assert report["recipe"]["blocks"] == list(saved.blocks)

    again = ["--recipe", "a.toml", "--save-recipe", "b.toml", "-o", "b.onnx", "--threads", 1, "--json"]
    second = run("compress", MODEL, "--data", "digits", *again, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "block auto" not in second.stderr
    assert json.loads(second.stdout)["block_auto"] is None
    for ending in ("toml", "onnx", "pt"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_a_dry_run_shows_the_blocks_and_then_what_gets_faster_with_them(tmp_path: Path) -> None:
    done = run(*GIVEN, "--dry-run", "--block", "auto", "--keep-faster", "--save-recipe", "a.toml", cwd=tmp_path)
    if "nothing would be faster than dense on this machine" in done.stderr:
        pytest.skip("the library's routines are not faster than dense here")
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    rounds = [[i for i, line in enumerate(said) if line.startswith(word)] for word in ("block auto", "keep-faster")]
    assert all(rounds)
    assert max(rounds[0]) < min(rounds[1])
    told = done.stdout.splitlines()
    at = next(i for i, line in enumerate(told) if line.startswith("pruned layer"))
    assert told[at].split()[2:] == ["block", "1x1", "ms", "2x1", "ms", "4x1", "ms", "8x1", "ms", "threads"]
    assert [line.split()[0] for line in told[at + 1 : at + 6]] == LAYERS
    assert [line for line in told if line.startswith("keep-faster  ")]
    assert [path.name for path in tmp_path.iterdir()] == ["a.toml"]
    replay = run("compress", MODEL, "--data", "digits", "--recipe", "a.toml", "--dry-run", cwd=tmp_path)
    assert replay.returncode == 0, replay.stderr


def test_blocks_of_a_recipe_are_in_the_file_and_another_block_goes_before_them(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('epochs = 0\nblocks = ["block1.conv1=1x1", "block1.*=2x1", "block2.conv2=8x1"]\n')
    given = ["compress", MODEL, "--data", "digits", "--recipe", "r.toml", "--threads", 1, "-o", "m.onnx", "--json"]

    def blocks(*more: object) -> dict[str, list[int]]:
        done = run(*given, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return {layer["name"]: layer["block"] for layer in json.loads(done.stdout)["layers"][1:]}

    assert list(blocks().values()) == [[1, 1], [2, 1], [4, 1], [8, 1]]
    assert list(blocks("--block", "2x1").values()) == [[2, 1]] * 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--portable", "inline"], "Error: --block auto measures packed layers, and a portable file has none"),
        (["--compression", 1], "Error: --block auto measures packed layers, and compression 1 has none"),
        (["--target", "cuda"], "Error: --block auto measures this CPU, and the file is for cuda"),
        (["--compression", 5000], "Error: compression 5000 cannot be reached with blocks of 1x1"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, given: list[object], message: str) -> None:
    done = run(*GIVEN, "--block", "auto", *given, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("stem=2x1", "blocks has stem=2x1, but stem is not pruned (first convolution): include it, or leave the entry"),
        ("block3.*=2x1", "blocks has block3.*=2x1, and no convolution is named so; is it block2.conv2?"),
        ("block1.*", "blocks holds 'block1.*': write LAYER=OUTxIN, such as layer1.*=2x1"),
    ],
)
def test_a_wrong_entry_is_one_line(tmp_path: Path, entry: str, message: str) -> None:
    (tmp_path / "r.toml").write_text(f'epochs = 0\nblocks = ["{entry}"]\n')
    done = run("compress", MODEL, "--data", "digits", "--recipe", "r.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.toml"]


def test_a_run_that_is_resumed_keeps_its_choice(tmp_path: Path) -> None:
    given = [*GIVEN, "--epochs", 2, "-o", "m.onnx"]
    command = [*COMMAND, *map(str, given), "--block", "auto", "--save-recipe", "m.toml"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (tmp_path / FOLDER / "training.pt").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said

    other = run(*given, "--resume", cwd=tmp_path)
    assert other.returncode == 2
    assert "is of another run (block-auto is False, was True)" in other.stderr
    choice = tmp_path / FOLDER / "blocks.json"
    whole = choice.read_bytes()
    choice.write_bytes(whole[:-10])
    damaged = run(*given, "--block", "auto", "--resume", cwd=tmp_path)
    assert damaged.returncode == 2
    assert "blocks.json can't be continued, it is missing or damaged" in damaged.stderr
    choice.write_bytes(whole)

    resumed = run(*given, "--block", "auto", "--resume", "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "block auto" not in resumed.stderr
    assert json.loads(resumed.stdout)["block_auto"] == json.loads(whole)
    replayed = ["--recipe", "m.toml", "--threads", 1, "-o", "n.onnx"]
    replay = run("compress", MODEL, "--data", "digits", *replayed, cwd=tmp_path)
    assert replay.returncode == 0, replay.stderr
    for ending in ("onnx", "pt"):
        assert (tmp_path / f"m.{ending}").read_bytes() == (tmp_path / f"n.{ending}").read_bytes()
