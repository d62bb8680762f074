"""Opens and runs forged models, each in a child process that has opened none before, and says what came of it.

    python -m tests.native.forged.try_forged COUNT SEED [MODEL ...]

The library is the one of native/native_binding.py. It forks after everything is imported. A batch of forged models
shares a child, for speed; what the parent has heard from a child when it ends tells which model ended it. The last
line on stdout is JSON: how many there were, what happened to them, and the failures, each with its seed and what the
child wrote to stderr.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from cct.errors import CctError
from cct.operator.read_model import read_model
from tests.native.forged.base_model import base
from tests.native.forged.forge import forge, forge_arguments, odd_feeds, odd_shape
from tests.native.native_binding import PATH, SUPPORTED, NativeError, PatternConv
from tests.support.cases import Case

LIMIT = 20.0  # seconds for one model
BATCH = 50
BASES = 60
SMALL = 2**18  # numbers or bytes
SIZES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
         "tensor(int32)": np.int32, "tensor(uint8)": np.uint8}  # fmt: skip


class Trial:
    """What is tried with each forged model."""

    def __init__(self, cases: list[Case], models: list[bytes]) -> None:
        self.cases, self.models = cases, models

    def __call__(self, seed: int) -> str:
        """What happened; anything but a result or a plain error leaves as an exception or ends the process."""
        content = forge(seed, self.models)
        checked = self.check(content)
        self.call(np.random.default_rng([seed, 2]))
        os.environ["CCT_ISA"] = SUPPORTED[seed % len(SUPPORTED)]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1 + (seed % 5 == 0)
        options.enable_cpu_mem_arena = False  # each tensor on its own, so that the sanitizer sees where it ends
        options.enable_mem_pattern = False
        options.register_custom_ops_library(PATH)
        try:
            opened = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception:
            return f"{checked}, not opened"
        feeds = {put.name: self.feed(put) for put in opened.get_inputs()}
        outcome = "not run"
        try:
            opened.run(None, feeds)
            outcome = "run"
        except Exception:
            pass
        for turn in range(2 if feeds else 0):
            try:
                opened.run(None, odd_feeds(np.random.default_rng([seed, turn]), feeds))
            except Exception:
                continue
        return f"{checked}, opened, {outcome}"

    def call(self, rng: np.random.Generator) -> None:
        """The C functions, with numbers that no session comes to, since its X has to exist."""
        case = self.cases[rng.integers(len(self.cases))]
        try:
            conv = PatternConv(forge_arguments(rng, case), SUPPORTED[rng.integers(len(SUPPORTED))])
        except NativeError:
            return
        for _ in range(4):
            shape = odd_shape(rng, case.packed.in_channels)
            try:
                dims, scratch = conv.prepare(shape)
                if max(math.prod(shape), math.prod(dims), scratch) < SMALL:
                    conv.run(np.ones(shape))
            except NativeError:
                continue

    def check(self, content: bytes) -> str:
        """Our own reader of the same file may refuse it, and nothing else."""
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            file.write(content)
            file.flush()
            try:
                read_model(Path(file.name))
            except CctError:
                return "refused"
        return "accepted"

    def feed(self, put: Any) -> Any:
        """A small input of the stated type, and of the stated shape where that is small."""
        sizes = [s if isinstance(s, int) and 0 <= s <= 64 else 15 for s in put.shape]
        return np.linspace(-1, 1, int(np.prod(sizes[:6]))).reshape(sizes[:6]).astype(SIZES.get(put.type, np.float32))


def in_child(trial: Trial, seeds: list[int]) -> tuple[list[str], dict[str, Any] | None]:
    """Outcomes of the seeds that went well, and the failure of the next one if there is one."""
    read, write = os.pipe()
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), 2)
            status = 1
            try:
                for seed in seeds:
                    os.write(write, f"{trial(seed)}\n".encode())
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(write)
        heard, late = b"", False
        while True:
            if not select.select([read], [], [], LIMIT)[0]:
                late = True
                os.kill(child, signal.SIGKILL)
            more = os.read(read, 65536)
            if not more:
                break
            heard += more
        os.close(read)
        status = os.waitpid(child, 0)[1]
        outcomes = heard.decode().splitlines()
        if status == 0:
            return outcomes, None
        said.seek(0)
        ended = f"took more than {LIMIT:g} s" if late else f"ended with {os.waitstatus_to_exitcode(status)}"
        words = said.read().decode(errors="replace")[-20_000:]
        return outcomes, {"seed": seeds[len(outcomes)], "ended": ended, "said": words}


def main() -> None:
    count, seed, *paths = sys.argv[1:]
    cases = [base(number) for number in range(BASES)]
    models = [case.model().SerializeToString() for case in cases]
    models += [Path(path).read_bytes() for path in paths for _ in range(3)]
    trial = Trial(cases, models)
    seeds = [int(seed) * 10_000_000 + i for i in range(int(count))]
    outcomes: Counter[str] = Counter()
    failures = []
    while seeds:
        well, failure = in_child(trial, seeds[:BATCH])
        outcomes.update(well)
        if failure:
            failures.append(
                failure | {"alone": (in_child(trial, [failure["seed"]])[1] or {}).get("ended", "goes well")}
            )
            print(f"{failure['seed']}: {failure['ended']}", file=sys.stderr, flush=True)
        seeds = seeds[len(well) + (failure is not None) :]
    print(json.dumps({"inputs": int(count), "outcomes": outcomes, "failures": failures}))


if __name__ == "__main__":
    main()
