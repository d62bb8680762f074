"""Wrong input, each tried as a process: exit 2, one line on stderr that says what is wrong, and nothing written."""

from __future__ import annotations

import os
import pickle
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.process import COMMAND, MODEL, run_command
from tests.support.wrong_files import (
    ODD,
    Hostile,
    arrays,
    by_pixel,
    colliding,
    constant_outside,
    damaged,
    doubling,
    endless,
    foreign,
    forged,
    four_channels,
    images,
    in_the_way,
    network,
    outside,
    pickled,
    pipe,
    pointwise,
    poisoned,
    postscript,
    program,
    saved,
    script,
    small_floats,
    tampered,
    written,
)

LIMIT = 20  # seconds
DIGITS = ("--data", "digits")
RESNET = ("--arch", "cct.models:resnet20")
Arguments = list[Any]


def compress(model: object, *more: object) -> Arguments:
    return ["compress", model, *(more if "--data" in more else (*DIGITS, *more))]


def recipe(text: str) -> Callable[[Path, Path], Arguments]:
    return lambda f, c: compress(MODEL, "--recipe", written(f, "r.toml", text.encode()))


def option(*given: object) -> Callable[[Path, Path], Arguments]:
    return lambda f, c: compress(MODEL, *given)


# name -> what makes the arguments of a folder of its own and a compressed model, and words that the line must have
WRONG: dict[str, tuple[Callable[[Path, Path], Arguments], tuple[str, ...]]] = {
    "no such command": (lambda f, c: ["fold"], ("fold", "--help")),
    "no such option": (option("--fast"), ("--fast", "--help")),
    "no data": (lambda f, c: ["compress", MODEL], ("--data",)),
    # the model's file
    "no file": (lambda f, c: compress(f / "none.pt"), ("none.pt", "does not exist")),
    "a folder": (lambda f, c: compress(f), ("directory",)),
    "empty": (lambda f, c: compress(written(f, "e.pt", b"")), ("e.pt", "empty")),
    "text": (lambda f, c: compress(written(f, "b.pt", b"not a checkpoint")), ("b.pt", "checkpoint")),
    "truncated": (lambda f, c: compress(written(f, "t.pt", MODEL.read_bytes()[:5000])), ("t.pt", "damaged")),
    "hostile": (lambda f, c: compress(saved(f, Hostile()), *RESNET), ("w.pt", "system", "state_dict")),
    "hostile within": (lambda f, c: compress(saved(f, {"a": {"b": [Hostile()]}}), *RESNET), ("w.pt", "system")),
    "hostile bare": (lambda f, c: compress(written(f, "w.pkl", pickle.dumps(Hostile())), *RESNET), ("w.pkl",)),
    "hostile checkpoint": (lambda f, c: compress(tampered(f, classes=Hostile())), ("w.pt", "system")),
    "a whole module": (lambda f, c: compress(saved(f, torch.nn.Linear(2, 2))), ("w.pt", "--trust-pickle")),
    "TorchScript": (lambda f, c: compress(script(f)), ("m.pt", "TorchScript", "state_dict")),
    "an exported program": (lambda f, c: compress(program(f)), ("m.pt2", "state_dict")),
    "an ONNX file": (lambda f, c: compress(c / "m.onnx"), ("m.onnx", "ONNX")),
    "a damaged safetensors": (
        lambda f, c: compress(written(f, "w.safetensors", b"\xff" * 99), *RESNET),
        ("w.safetensors",),
    ),
    "no tensors": (lambda f, c: compress(saved(f, {"epoch": 3}), *RESNET), ("w.pt", "epoch")),
    "several state_dicts": (
        lambda f, c: compress(saved(f, {n: {"w": torch.zeros(1)} for n in ("model", "ema")}), *RESNET),
        ("--key", "model", "ema"),
    ),
    "a wrong key": (
        lambda f, c: compress(saved(f, {"model": {"w": torch.zeros(1)}}), *RESNET, "--key", "ema"),
        ("'ema'", "model"),
    ),
    "NaN": (lambda f, c: compress(poisoned(f, float("nan"))), ("w.pt", "NaN")),
    "infinity": (lambda f, c: compress(poisoned(f, float("inf"))), ("w.pt", "infinity")),
    "a pipe": (lambda f, c: compress(pipe(f, "p.pt")), ("p.pt", "no regular file")),
    "keys that collide": (lambda f, c: compress(pickled(f, colliding())), ("w.pt", "keys that no checkpoint needs")),
    "a list without a bottom": (
        lambda f, c: compress(pickled(f, b"]" * 300_000 + b"a" * 299_999)),
        ("w.pt", "version list"),
    ),
    "weights of 4 bits": (lambda f, c: compress(small_floats(f)), ("w.pt", "float4_e2m1fn_x2", "float32")),
    "a network that cct does not know": (lambda f, c: compress(tampered(f, arch="os:system")), ("os:system",)),
    "huge arguments": (lambda f, c: compress(tampered(f, arch_args={"num_classes": 10**9})), ("w.pt", "arch_args")),
    # the network
    "no arch": (lambda f, c: compress(saved(f, {"weight": torch.zeros(1)})), ("--arch",)),
    "arch without factory": (option("--arch", "resnet18"), ("resnet18", "package.module:function")),
    "a pipe as code": (lambda f, c: compress(MODEL, "--arch", f"{pipe(f, 'net.py')}:make"), ("net.py", "no regular")),
    "unknown module": (option("--arch", "nowhere:net"), ("nowhere",)),
    "unknown factory": (option("--arch", "cct.models:resnet21"), ("resnet21",)),
    "arch that raises": (lambda f, c: compress(*network(f, "return 1 / 0")), ("ZeroDivisionError",)),
    "arch that exits": (lambda f, c: compress(*network(f, "raise SystemExit(0)")), ("make",)),
    "arch that gives no module": (lambda f, c: compress(*network(f, "return 3")), ("make", "int", "nn.Module")),
    "an argument that the factory lacks": (
        lambda f, c: compress(saved(f, {"w": torch.zeros(1)}), *RESNET, "--arch-arg", "colour=3"),
        ("colour",),
    ),
    "an argument without a value": (option("--arch-arg", "num_classes"), ("num_classes", "NAME=VALUE")),
    "other keys": (
        lambda f, c: compress(*network(f, "return nn.Conv2d(3, 8, 3)", {"weight": torch.zeros(8, 3, 3, 3)})),
        ("bias", "--arch"),
    ),
    "another number of classes": (
        lambda f, c: compress(MODEL, "--arch", "cct.models:digits_net", "--arch-arg", "num_classes=7"),
        ("10", "7", "num_classes"),
    ),
    "nothing prunable": (
        lambda f, c: compress(
            *network(
                f,
                "return nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))",
                {"1.weight": by_pixel(), "1.bias": torch.zeros(10)},
            )
        ),
        ("no convolution",),
    ),
    # the data
    "data that is nowhere": (option("--data", "none"), ("none",)),
    "an empty folder": (lambda f, c: compress(MODEL, "--data", images(f, ())), ("train", "missing")),
    "one class": (lambda f, c: compress(MODEL, "--data", images(f, ("a",))), ("at least 2",)),
    "no validation images": (lambda f, c: compress(MODEL, "--data", images(f, splits=("train",))), ("val",)),
    "an unreadable image": (lambda f, c: compress(MODEL, "--data", damaged(f)), ("0.png", "no readable image")),
    "PostScript as an image": (lambda f, c: compress(MODEL, "--data", postscript(f)), ("0.png", "no readable image")),
    "a class of two lines": (
        lambda f, c: compress(MODEL, "--data", arrays(f, classes=np.array(["a\nb", *"123456789"]))),
        ("d.npz", r"a\nb", "one line"),
    ),
    "other classes": (lambda f, c: compress(MODEL, "--data", images(f)), ("classes",)),
    "hostile arrays": (
        lambda f, c: compress(MODEL, "--data", arrays(f, x_train=np.array([Hostile()] * 20, object))),
        ("d.npz", "x_train"),
    ),
    "an array short": (lambda f, c: compress(MODEL, "--data", arrays(f, y_val=None)), ("d.npz", "y_val")),
    "labels too few": (lambda f, c: compress(MODEL, "--data", arrays(f, y_val=np.zeros(3, int))), ("d.npz", "y_val")),
    "labels below 0": (
        lambda f, c: compress(MODEL, "--data", arrays(f, y_train=np.arange(20) % 10 - 1)),
        ("d.npz", "-1"),
    ),
    "labels beyond the classes": (
        lambda f, c: compress(MODEL, "--data", arrays(f, y_val=np.arange(20))),
        ("d.npz", "classes"),
    ),
    "no zip": (lambda f, c: compress(MODEL, "--data", written(f, "d.npz", b"PK no zip")), ("d.npz",)),
    "channels": (
        lambda f, c: compress(MODEL, "--data", arrays(f, x_train=four_channels(), x_val=four_channels())),
        ("channel",),
    ),
    "near chance": (lambda f, c: compress(MODEL, "--data", arrays(f)), ("near chance", "normalization")),
    "a function that is nowhere": (option("--data", "cct.data.load_data:none"), ("none",)),
    # options and recipes
    "compression below 1": (option("--compression", "0.5"), ("compression", "0.5")),
    "compression without measure": (option("--compression", "1e300"), ("compression", "1000000")),
    "digits of another script": (option("--epochs", "４"), ("--epochs", "no whole number")),
    "a rate beyond float32": (option("--lr", "1e300"), ("learning_rate", "float32")),
    "compression out of reach": (option("--compression", "1e6"), ("compression",)),
    "block of nothing": (option("--block", "0x4"), ("0x4",)),
    "block of words": (option("--block", "wide"), ("wide", "4x1")),
    "no such layer": (option("--exclude", "block9.conv1"), ("block9.conv1", "block")),
    "all excluded": (option("--exclude", "*"), ("no convolution",)),
    "means for other channels": (option("--mean", "0.5,0.5,0.5"), ("mean", "channels")),
    "a deviation of nothing": (option("--std", "0"), ("std", "above 0")),
    "no size": (option("--size", "0"), ("'0'", "224")),
    "an unknown metric": (option("--goal", "speed:threshold=2"), ("speed", "latency")),
    "a goal that no number reaches": (option("--max-drop", "nan"), ("nan",)),
    "no such recipe": (option("--recipe", "none"), ("none", "clicktrain-paper")),
    "no recipe file": (lambda f, c: compress(MODEL, "--recipe", f / "none.toml"), ("none.toml", "can't be read")),
    "an endless recipe": (lambda f, c: compress(MODEL, "--recipe", endless(f, "r.toml")), ("r.toml", "no regular")),
    "an unknown knob": (recipe("compresion = 4"), ("compresion", "compression")),
    "a knob of the wrong type": (recipe('epochs = "many"'), ("epochs", "whole number")),
    "no TOML": (recipe("= ["), ("TOML",)),
    "no such device": (option("--device", "cuda:99"), ("cuda:99",)),
    # the outputs
    "output in a folder that is missing": (lambda f, c: compress(MODEL, "-o", f / "none" / "m.onnx"), ("none",)),
    "output that can't be": (option("-o", "/dev/null/m.onnx"), ("/dev/null",)),
    "output that can't be written": (option("-o", "/proc/m.onnx"), ("/proc",)),
    "output of another kind": (lambda f, c: compress(MODEL, "-o", f / "m.bin"), (".onnx",)),
    "output over the model": (lambda f, c: compress(c / "m.pt", "-o", c / "m.onnx"), ("m.pt", "replace")),
    "a name too long": (lambda f, c: compress(MODEL, "-o", f / f"{'m' * 260}.onnx"), ("name too long",)),
    "recipe over the model": (
        lambda f, c: compress(c / "m.pt", "--dry-run", "--save-recipe", c / "m.pt"),
        ("--save-recipe", "m.pt", "replace"),
    ),
    "recipe over the output": (option("-o", "m.onnx", "--save-recipe", "m.pt"), ("--save-recipe", "m.pt", "replace")),
    "recipe in a folder that is missing": (option("--save-recipe", "none/r.toml"), ("--save-recipe", "none")),
    "threads without end": (option("--threads", 100_000), ("--threads", "1024")),
    "a folder in the way": (lambda f, c: compress(MODEL, "-o", in_the_way(f)), (".m.cct",)),
    # ONNX files
    "validate text": (lambda f, c: ["validate", written(f, "m.onnx", b"no"), *DIGITS], ("m.onnx", "no valid ONNX")),
    "validate truncated": (
        lambda f, c: ["validate", written(f, "m.onnx", (c / "m.onnx").read_bytes()[:9999]), *DIGITS],
        ("m.onnx", "no valid ONNX"),
    ),
    "validate foreign": (lambda f, c: ["validate", foreign(f), *DIGITS], ("f.onnx", "PatternConv")),
    "validate weights elsewhere": (lambda f, c: ["validate", outside(f, c), *DIGITS], ("o.onnx", "inside")),
    "validate functions that double": (lambda f, c: ["validate", doubling(f), *DIGITS], ("f.onnx", "30000")),
    "validate a constant elsewhere": (
        lambda f, c: ["validate", constant_outside(f, c), *DIGITS],
        ("k.onnx", "one file"),
    ),
    "inspect a pipe": (lambda f, c: ["inspect", pipe(f, "m.onnx")], ("m.onnx", "no regular file")),
    "validate forged": (lambda f, c: ["validate", forged(f, c), *DIGITS], ("channels",)),
    "validate without a baseline": (
        lambda f, c: ["validate", c / "m.onnx", *DIGITS, "--max-drop", "1"],
        ("--baseline",),
    ),
    "bench text": (lambda f, c: ["bench", written(f, "m.onnx", b"no")], ("m.onnx",)),
    "bench against another input": (lambda f, c: ["bench", c / "m.onnx", "--against", foreign(f)], ("f.onnx",)),
    "bench weights elsewhere": (lambda f, c: ["bench", outside(f, c)], ("o.onnx", "inside")),
    "inspect text": (lambda f, c: ["inspect", written(f, "m.onnx", b"no")], ("m.onnx",)),
    "inspect forged": (lambda f, c: ["inspect", forged(f, c)], ("channels",)),
    "inspect hostile": (lambda f, c: ["inspect", saved(f, Hostile())], ("w.pt", "system")),
    "export without size": (
        lambda f, c: ["export", *network(f, "return nn.Conv2d(3, 8, 1)", pointwise()), "-o", f / "m.onnx"],
        ("--size",),
    ),
    "export what torch can't": (
        lambda f, c: ["export", *network(f, ODD, pointwise()), "--size", "8", "-o", f / "m.onnx"],
        ("Odd",),
    ),
}  # fmt: skip

ENVIRONMENT = {"no such routine": {"CCT_ISA": "avx1024"}}
WRONG["no such routine"] = (lambda f, c: ["validate", c / "m.onnx", *DIGITS], ("avx1024",))


@pytest.fixture(scope="module")
def outcomes(compressed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every case tried, two at a time: the process, its seconds, and the files before and after."""

    def attempt(case: str) -> Any:
        folder = folders[case]
        before = files(folder)
        start = time.monotonic()
        environment = {"OMP_NUM_THREADS": "1", **ENVIRONMENT.get(case, {})}
        done = run_command([*COMMAND, *map(str, given[case])], folder, environment)
        return done, time.monotonic() - start, before, files(folder)

    def files(folder: Path) -> dict[Path, bytes]:
        found = [*folder.rglob("*"), *compressed.rglob("*")]
        return {path: path.read_bytes() for path in found if path.is_file() and "__pycache__" not in path.parts}

    folders = {case: tmp_path_factory.mktemp("wrong") for case in WRONG}
    given = {case: make(folders[case], compressed) for case, (make, _) in WRONG.items()}
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(WRONG, pool.map(attempt, WRONG), strict=True))


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line_and_exit_2(case: str, outcomes: dict[str, Any]) -> None:
    done, seconds, before, after = outcomes[case]
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "bug in cct" not in done.stderr, done.stderr
    for word in WRONG[case][1]:
        assert word in done.stderr
    assert done.stdout == ""
    assert after == before
    assert seconds < LIMIT


def test_there_are_at_least_forty_cases() -> None:
    assert len(WRONG) >= 40


@pytest.mark.parametrize("limit", [1000, 60_000])
def test_a_full_disk_leaves_nothing_half_written(limit: int, tmp_path: Path) -> None:
    """No file may grow beyond `limit` bytes."""
    limited = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({limit}, {limit}))"
    code = f"{limited}\nfrom cct.cli.main import main\nmain()"
    given = ["compress", str(MODEL), *DIGITS, "--epochs", "1", "-o", "m.onnx"]
    done = run_command([sys.executable, "-c", code, *given], tmp_path, {})
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert "can't be written (File too large)" in last
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == []


def test_an_installation_without_its_library_is_an_error(compressed: Path, tmp_path: Path) -> None:
    """The package again, by links, but without libcct_ops.so."""
    import cct

    home, root = tmp_path / "cct", Path(cct.__file__).parent
    home.mkdir()
    for entry in root.iterdir():
        if entry.suffix != ".so":
            (home / entry.name).symlink_to(entry)
    for name in ("passes", "models"):
        if not (home / name).exists():
            (home / name).symlink_to(Path(__file__).parents[1] / name)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    path = os.pathsep.join([str(tmp_path), *packages])
    command = [sys.executable, "-S", "-m", "cct", "validate", str(compressed / "m.onnx"), *DIGITS]
    done = run_command(command, tmp_path, {"PYTHONPATH": path})
    assert done.returncode == 2, done.stdout
    assert "libcct_ops.so is missing: reinstall cct" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_pickle_is_run_only_when_it_is_trusted(tmp_path: Path) -> None:
    """Proof that the hostile files above would have done something."""
    torch.save(Hostile(), tmp_path / "w.pt")
    given = ["compress", "w.pt", *DIGITS, *RESNET, "--trust-pickle"]
    done = run_command([*COMMAND, *given], tmp_path, {})
    assert done.returncode == 2
    assert (tmp_path / "foreign_code_ran").exists()


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    """A gigabyte of zeros in a megabyte."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (2**20, 32, 32)}
    with (
        zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x_train.npy", "w", force_zip64=True) as entry,
    ):
        np.lib.format.write_array_header_1_0(entry, header)
        for _ in range(1024):
            entry.write(bytes(2**20))
    done = run_command([*COMMAND, "compress", str(MODEL), "--data", "d.npz"], tmp_path, {})
    assert done.returncode == 2
    assert "d.npz" in done.stderr
    assert len(done.stderr.splitlines()) == 1
