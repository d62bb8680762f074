"""Measured side by side: several ONNX files in one run, interleaved, warmed, medians."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from cct.errors import CctError
from cct.input_size import check_input_size
from cct.runtime import session
from cct.text import printable

_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_WHOLES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_}


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
    size: tuple[int, int] | None = None,
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
        batch: images a run, where a model leaves the batch free.
        size: (height, width) of the images, likewise.
        rounds: turns of each model.
        seed: of the input.

    Returns:
        name -> milliseconds a run.

    Raises:
        CctError: the models take inputs of different shapes, or shapes that stay open.
    """
    runs, shapes = {}, {}
    for name, model in models.items():
        # Threads that go on spinning after a run would take the cores from the model whose turn is next.
        options = ort.SessionOptions()
        options.add_session_config_entry("session.force_spinning_stop", "1")
        opened = session(model, provider=provider, threads=threads, options=options)
        feeds = random_feeds(opened, batch, seed, size)
        shapes[name] = [array.shape for array in feeds.values()]
        try:
            runs[name] = _bind(opened, feeds, provider)
        except Exception as error:  # ONNX Runtime raises several kinds
            raise CctError(f"{name} does not run on {_shapes(shapes[name])}: {' '.join(str(error).split())}") from error
    (first, wanted), *others = shapes.items()
    for name, shape in others:
        if shape != wanted:
            raise CctError(
                f"{first} takes {_shapes(wanted)} and {name} {_shapes(shape)}: give files of one input shape"
            )
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


def random_feeds(
    opened: Any, batch: int, seed: int, size: tuple[int, int] | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Values for every input of a session: normal ones, or 0 and 1 for whole numbers, which may be indices.

    Args:
        opened: the session.
        batch: the first dimension of an input, where it is free.
        seed: of the values.
        size: the last two dimensions of images, likewise.

    Raises:
        CctError: another dimension is free, the type is not known, or an input is very large.
    """
    rng = np.random.default_rng(seed)
    feeds = {}
    for value in opened.get_inputs():
        free = {0: batch}
        if size is not None and len(value.shape) == 4:
            free |= {2: size[0], 3: size[1]}
        shape = [d if isinstance(d, int) else free.get(i, 0) for i, d in enumerate(value.shape)]
        if 0 in shape:
            hint = "give --size" if size is None and len(shape) == 4 else "give a file with fixed shapes"
            raise CctError(f"input {printable(value.name)} is open in dimension {shape.index(0)}: {hint}")
        check_input_size(shape)
        if value.type in _FLOATS:
            feeds[value.name] = rng.standard_normal(shape).astype(_FLOATS[value.type])
        elif value.type in _WHOLES:
            feeds[value.name] = rng.integers(0, 2, shape).astype(_WHOLES[value.type])
        else:
            raise CctError(f"input {printable(value.name)} is a {value.type}: bench makes numbers only")
    return feeds


def _bind(opened: Any, feeds: Mapping[str, np.ndarray[Any, Any]], device: str) -> Callable[[], None]:
    """A function that runs a session once, its inputs and outputs bound to memory of the device, "cpu" or "cuda"."""
    binding = opened.io_binding()
    for name, array in feeds.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, device, 0))
    for output, answer in zip(opened.get_outputs(), opened.run(None, feeds), strict=True):
        if isinstance(answer, np.ndarray):
            binding.bind_ortvalue_output(output.name, ort.OrtValue.ortvalue_from_numpy(answer, device, 0))
        else:  # a list or a map
            binding.bind_output(output.name)

    def run() -> None:
        opened.run_with_iobinding(binding)

    return run


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "a scalar" for shape in shapes) or "nothing"
