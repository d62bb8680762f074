"""One engine with one model, driven by lines of JSON over pipes.

    python worker.py ENGINE THREADS CORE[,CORE...]

| request           | answer                                                                        |
|-------------------|-------------------------------------------------------------------------------|
| at the start      | {"version": ...}                                                              |
| ["load", path, n] | {"seconds": ..., "run": ...}: what loading the model for n images and one run |
|                   | took                                                                          |
| ["answer", path]  | {}: the output on the fixed random input lies there as .npy                   |
| ["turn", n]       | {"seconds": [...], "cpu": [...], "waited": ...}: one untimed run, then n      |
|                   | timed ones: on the wall, of the whole process's CPU time, and how long the    |
|                   | thread that waited longest for a core had none in all of them                 |

An error is {"error": ...}. Runs in the environments of other engines too: nothing but numpy and the engine is imported.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

Run = Callable[[], Any]  # runs the model once, and returns its output
Prepare = Callable[[], Run]  # puts the input in place
PR_SET_PDEATHSIG, SIGKILL = 1, 9
WARM_UP_SECONDS = 0.3


def open_cct(path: str, batch: int, threads: int) -> Prepare:
    """A packed file as `cct.session` opens it."""
    import cct

    return partial(bound, cct.session(path, threads=threads), batch)


def open_onnxruntime(path: str, batch: int, threads: int) -> Prepare:
    """A dense file in ONNX Runtime, all optimizations on."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return partial(bound, session, batch)


def open_openvino(path: str, batch: int, threads: int) -> Prepare:
    """In float32: on some processors the default is a narrower type."""
    openvino = import_module("openvino")
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # done below, for all engines alike
    }
    compiled = openvino.Core().compile_model(path, "CPU", hints)
    request = compiled.create_infer_request()

    def prepare() -> Run:
        x = image(tuple(compiled.input(0).shape))
        request.set_input_tensor(openvino.Tensor(x, shared_memory=True))

        def run(x: Any = x) -> Any:  # holds x, which the tensor does not
            return request.infer(share_outputs=True)[0]

        return run

    return prepare


def open_deepsparse(path: str, batch: int, threads: int) -> Prepare:
    """As its own benchmark calls it, inputs unchecked."""
    deepsparse = import_module("deepsparse")
    engine = deepsparse.Engine(path, batch_size=batch, num_cores=threads)

    def prepare() -> Run:
        x = image(engine.input_shapes[0])
        return lambda: engine.run([x], val_inp=False)[0]

    return prepare


OPENERS: dict[str, tuple[str, Callable[[str, int, int], Prepare]]] = {
    "cct": ("onnxruntime", open_cct),
    "onnxruntime": ("onnxruntime", open_onnxruntime),
    "openvino": ("openvino", open_openvino),
    "deepsparse": ("deepsparse", open_deepsparse),
}


def image(shape: tuple[int, ...]) -> Any:
    """The input, the same for every engine."""
    import numpy

    return numpy.random.default_rng(0).standard_normal(tuple(shape)).astype(numpy.float32)


def bound(session: Any, batch: int) -> Run:
    """A run of an ONNX Runtime session with input and output in place, so that no copy is timed."""
    import onnxruntime

    (given,) = session.get_inputs()
    x = image((batch, *given.shape[1:]))
    y = onnxruntime.OrtValue.ortvalue_from_numpy(session.run(None, {given.name: x})[0])
    binding = session.io_binding()
    binding.bind_cpu_input(given.name, x)
    binding.bind_ortvalue_output(session.get_outputs()[0].name, y)

    def run() -> Any:
        session.run_with_iobinding(binding)
        return y

    return run


def warm_up(run: Run, cores: list[int]) -> float:
    """Run a while, then give each of the threads that did the work a core of its own.

    Left alone, the kernel sometimes puts two of them on one core for a whole run.

    Returns:
        Seconds of the last run.
    """
    tasks = {int(task) for task in os.listdir("/proc/self/task")}
    before = {task: cpu_time(task) for task in tasks}
    start = time.perf_counter()
    last = 0.0
    while (now := time.perf_counter()) - start < WARM_UP_SECONDS:
        run()
        last = time.perf_counter() - now
    tasks = {int(task) for task in os.listdir("/proc/self/task")}
    busiest = sorted(tasks, key=lambda task: cpu_time(task) - before.get(task, 0.0), reverse=True)
    for place, task in enumerate(busiest):
        os.sched_setaffinity(task, {cores[place]} if place < len(cores) else cores)
    return last


def cpu_time(task: int) -> float:
    """Seconds that a thread of this process has computed: the clock that pthread_getcpuclockid names."""
    return time.clock_gettime((~task << 3) | 6)


def waits() -> dict[str, float]:
    """Seconds that each thread of this process has waited for a core so far."""
    found = {}
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/schedstat") as file:
                found[task] = int(file.read().split()[1]) / 1e9
        except OSError:  # it has ended
            continue
    return found


class Server:
    """Answers the requests."""

    def __init__(self, engine: str, threads: int, cores: list[int]) -> None:
        module, self.open = OPENERS[engine]
        self.threads, self.cores = threads, cores
        self.version: str = import_module(module).__version__
        self.run: Run = lambda: None

    def load(self, path: str, batch: int) -> dict[str, Any]:
        """Open a model, warm it up."""
        start = time.perf_counter()
        prepare = self.open(path, batch, self.threads)
        seconds = time.perf_counter() - start
        self.run = prepare()
        return {"seconds": seconds, "run": warm_up(self.run, self.cores)}

    def answer(self, path: str) -> dict[str, Any]:
        """Store the output."""
        import numpy

        output = self.run()
        numpy.save(path, output.numpy() if hasattr(output, "numpy") else output)
        return {}

    def turn(self, runs: int) -> dict[str, Any]:
        """One untimed run, some timed ones."""
        self.run()
        seconds, spent, before = [], [], waits()
        for _ in range(runs):
            cpu, start = time.process_time(), time.perf_counter()
            self.run()
            seconds.append(time.perf_counter() - start)
            spent.append(time.process_time() - cpu)
        waited = max(wait - before.get(task, wait) for task, wait in waits().items())
        return {"seconds": seconds, "cpu": spent, "waited": waited}


def main() -> None:
    """Serve until the pipe closes or the driver is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints is no answer
    engine, threads, cores = sys.argv[1], int(sys.argv[2]), [int(core) for core in sys.argv[3].split(",")]
    os.sched_setaffinity(0, cores)

    def reply(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=replies, flush=True)

    try:
        server = Server(engine, threads, cores)
        reply({"version": server.version})
    except Exception as error:  # whatever an engine raises, the driver says it in one line
        reply({"error": f"{type(error).__name__}: {error}"})
        return
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            reply(getattr(server, name)(*arguments))
        except Exception as error:
            reply({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
