"""Measured side by side: several ONNX files in one run, interleaved, warmed, medians."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from cct.runtime import session

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}


@dataclass(frozen=True)
class Timing:
    """One model's share of a comparison.

    Attributes:
        median, low, high: milliseconds a run: the median, and the first and last decile.
        runs: timed runs.
    """

    median: float
    low: float
    high: float
    runs: int


def compare(
    models: Mapping[str, str | os.PathLike[str] | bytes],
    *,
    threads: int = 1,
    provider: str = "cpu",
    batch: int = 1,
    rounds: int = 20,
    seed: int = 0,
) -> dict[str, Timing]:
    """Time the models in turns, all on the same random input, end to end in ONNX Runtime.

    Every model runs through `cct.session`, with inputs and outputs bound, so that no copy is timed. A turn is one
    untimed run, which lets the other session's threads come to rest, and two timed ones.

    Args:
        models: name -> path or bytes.
        threads: within an operator, for every model.
        provider: "cpu" or "cuda".
        batch: images a run, where the model leaves the batch free.
        rounds: turns of each model.
        seed: of the input.

    Returns:
        name -> milliseconds a run.
    """
    runs = {name: _runner(model, threads, provider, batch, seed) for name, model in models.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            run()
            for _ in range(2):
                start = time.perf_counter()
                run()
                times[name].append((time.perf_counter() - start) * 1e3)
    timings = {}
    for name, taken in times.items():
        median, low, high = (float(q) for q in np.quantile(taken, (0.5, 0.1, 0.9)))
        timings[name] = Timing(median, low, high, len(taken))
    return timings


def machine() -> str:
    """The processor and its core count, for the foot of a table."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass  # not Linux: the generic name has to do
    return f"{name}, {cores()} cores"


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def random_feeds(opened: Any, batch: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Normal values for every input of a session; free dimensions become `batch`."""
    rng = np.random.default_rng(seed)
    shapes = {i.name: [d if isinstance(d, int) else batch for d in i.shape] for i in opened.get_inputs()}
    return {i.name: rng.standard_normal(shapes[i.name]).astype(DTYPES[i.type]) for i in opened.get_inputs()}


def _runner(
    model: str | os.PathLike[str] | bytes, threads: int, provider: str, batch: int, seed: int
) -> Callable[[], None]:
    """A function that runs the model once, its inputs and outputs bound to memory."""
    options = ort.SessionOptions()
    # Threads that go on spinning after a run would take the cores from the model whose turn is next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    opened = session(model, provider=provider, threads=threads, options=options)
    feeds = random_feeds(opened, batch, seed)
    binding = opened.io_binding()
    for name, array in feeds.items():
        binding.bind_cpu_input(name, array)
    for output, array in zip(opened.get_outputs(), opened.run(None, feeds), strict=True):
        binding.bind_ortvalue_output(output.name, ort.OrtValue.ortvalue_from_numpy(array))

    def run() -> None:
        opened.run_with_iobinding(binding)

    return run
