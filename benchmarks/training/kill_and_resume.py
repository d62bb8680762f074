"""Kill -9 at random moments of a run, then resume: is the result the same, byte for byte?

    python -m benchmarks.training.kill_and_resume

Every third moment is a random file operation of cct (the state and the outputs being written, renamed, removed), which
the clock would hardly hit; the others are random times of the run.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click

MODEL = files("cct").joinpath("models", "digits_net.pt")
FOLDER = ".m.cct"
OUTPUTS = ("m.onnx", "m.pt", "m.report.json")

# cct in a process that counts its file operations in the working folder and on the outputs, and dies at one of them.
DRIVER = """
import atexit, os, sys
fatal, done = int(sys.argv.pop(1)), 0
def look(event, arguments):
    global done
    if event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"):
        places = [str(a) for a in arguments if isinstance(a, (str, os.PathLike))]
        if any(".m.cct" in place or os.path.basename(place) in ("m.onnx", "m.pt", "m.report.json") for place in places):
            done += 1
            if done == fatal:
                sys.stderr.write(f"KILLED AT {event} {' '.join(os.path.basename(place) for place in places)}\\n")
                os.kill(os.getpid(), 9)
atexit.register(lambda: sys.stderr.write(f"FILE OPERATIONS {done}\\n"))
from cct.cli.main import main
sys.addaudithook(look)
main()
"""


@dataclass
class Run:
    """A run in a folder, killed or not."""

    stderr: str
    seconds: float
    killed: bool

    def after(self, words: str) -> str:
        """The rest of the line that begins with these words."""
        return next((line[len(words) :].strip() for line in self.stderr.splitlines() if line.startswith(words)), "")


def run(folder: Path, epochs: int, *more: str, operation: int = 0, seconds: float | None = None) -> Run:
    given = ["compress", str(MODEL), "--data", "digits", "--epochs", str(epochs), "--threads", "1", "-o", "m.onnx"]
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(operation), *given, *more],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        stderr = process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        stderr = process.communicate()[1]
    if process.returncode not in (0, -9):
        raise click.ClickException(stderr)
    return Run(stderr, time.monotonic() - start, process.returncode == -9)


def digests(folder: Path) -> list[str]:
    """Of the model and the weights; the report holds times."""
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in OUTPUTS[:2]]


@click.command()
@click.option("--kills", default=20, show_default=True)
@click.option("--epochs", default=3, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(kills: int, epochs: int, seed: int) -> None:
    """Print one row a moment; exit 1 if any result differs."""
    generator, wrong = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "whole"
        folder.mkdir()
        whole = run(folder, epochs)
        wanted, operations = digests(folder), int(whole.after("FILE OPERATIONS"))
        click.echo(f"without a kill: {whole.seconds:.0f} s, {operations} file operations, m.onnx {wanted[0][:12]}\n")
        click.echo(
            "| killed at | state found | outputs there | left in the folder | after --resume |\n|---|---|---|---|---|"
        )
        longest, kill = whole.seconds, 0
        while kill < kills:
            folder = Path(tempfile.mkdtemp(dir=name))
            if kill % 3 == 2:
                first = run(folder, epochs, operation=generator.randint(1, operations))
                moment = first.after("KILLED AT")
            else:
                first = run(folder, epochs, seconds=generator.uniform(0, longest))
                moment = f"{first.seconds:.1f} s"
            if not first.killed:  # the machine was less busy than before, so that the moment came after the end
                longest = first.seconds
                continue
            kill += 1
            there = sum((folder / output).exists() for output in OUTPUTS)
            left = " ".join(sorted(os.listdir(folder / FOLDER))) if (folder / FOLDER).exists() else "no folder"
            second = run(folder, epochs, "--resume")
            found = second.after("continuing after epoch") or "none"
            same = digests(folder) == wanted and sorted(os.listdir(folder)) == sorted(OUTPUTS)
            wrong += not same
            click.echo(f"| {moment} | {found} | {there} of 3 | {left} | {'identical' if same else 'DIFFERENT'} |")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
