"""`compare`: several ONNX files in one run, warm, in turns of equal length."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort

from cct.errors import CctError
from cct.measure.clock import Turn, take_turn
from cct.measure.ratio import compare_turns
from cct.report.timing import Timings
from cct.runtime.random_feeds import random_feeds
from cct.runtime.session import session

_SHORTEST = 5.0  # milliseconds of a turn: longer than the slice that a scheduler gives
_RUNS = 2  # of the slowest model in a turn
_TRIES = 3  # as many times the rounds asked for, where the machine is too busy for a ratio


def compare(
    models: Mapping[str, str | os.PathLike[str] | bytes],
    *,
    threads: int = 1,
    provider: str = "cpu",
    batch: int = 1,
    size: tuple[int, int] | None = None,
    rounds: int = 20,
    seed: int = 0,
) -> Timings:
    """Time the models in turns, all on the same random input, end to end in ONNX Runtime, as `time_in_turns` does.

    Args:
        models: name -> path or bytes.
        threads: within an operator, for every model.
        provider: "cpu" or "cuda".
        batch: images a run, where a model leaves the batch free.
        size: (height, width) of the images, likewise.
        rounds: turns of each model, at least.
        seed: of the input.

    Returns:
        Milliseconds a run, and the ratios to the first model.

    Raises:
        CctError: the models take inputs of different shapes, or shapes that stay open.
    """
    runs, shapes = {}, {}
    for name, model in models.items():
        opened = quiet_session(model, threads, provider)
        feeds = random_feeds(opened, batch, seed, size)
        shapes[name] = [array.shape for array in feeds.values()]
        try:
            runs[name] = bind(opened, feeds, provider).run
        except Exception as error:  # ONNX Runtime raises several kinds
            raise CctError(f"{name} does not run on {_shapes(shapes[name])}: {' '.join(str(error).split())}") from error
    (first, wanted), *others = shapes.items()
    for name, shape in others:
        if shape != wanted:
            raise CctError(
                f"{first} takes {_shapes(wanted)} and {name} {_shapes(shape)}: give files of one input shape"
            )
    return time_in_turns(runs, threads, provider, rounds)


def time_in_turns(runs: Mapping[str, Callable[[], object]], threads: int, provider: str, rounds: int = 20) -> Timings:
    """Time what runs the models, in turns.

    A turn is one untimed run, which lets the other session's threads come to rest, and as many timed ones as fit into
    the time that two of the slowest model take: so each model meets as much of what else the machine does. Models
    follow each other there and back, for the one that follows another may find its cache warm. Where a ratio comes out
    too uncertain to be told, the rounds are taken up to twice more.

    Args:
        runs: name -> runs that model once.
        threads: that it computes with.
        provider: "cpu" or "cuda".
        rounds: turns of each model, at least.
    """
    longest = max(min(take_turn(run, 0, fewest=3).wall) for run in runs.values())
    length = max(_SHORTEST, _RUNS * longest)
    turns: dict[str, list[Turn]] = {name: [] for name in runs}
    order = list(runs)
    clock = "cpu" if threads == 1 and provider == "cpu" else "wall"
    for _ in range(_TRIES):
        for _ in range(rounds):
            for name in order:
                runs[name]()
                turns[name].append(take_turn(runs[name], length))
            order.reverse()
        timings = compare_turns(turns, threads, clock)
        if timings.doubt or not any(ratio.doubt for ratio in timings.ratios.values()):
            break
    return timings


def quiet_session(model: str | os.PathLike[str] | bytes, threads: int, provider: str) -> Any:
    """A session whose threads come to rest after a run: spinning on, they would take the cores from the next model."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 4  # its errors come as exceptions
    return session(model, provider=provider, threads=threads, options=options)


@dataclass(frozen=True)
class Bound:
    """A session with its input and output in place, so that no copy is timed.

    Attributes:
        run: runs it once.
        answers: what it answered last, every output.
    """

    run: Callable[[], None]
    answers: Callable[[], list[Any]]


def bind(opened: Any, feeds: Mapping[str, np.ndarray[Any, Any]], device: str) -> Bound:
    """Bind input and outputs of a session to memory of the device, "cpu" or "cuda"."""
    binding = opened.io_binding()
    for name, array in feeds.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, device, 0))
    for output, answer in zip(opened.get_outputs(), opened.run(None, feeds), strict=True):
        if isinstance(answer, np.ndarray):
            binding.bind_ortvalue_output(output.name, ort.OrtValue.ortvalue_from_numpy(answer, device, 0))
        else:  # a list or a map
            binding.bind_output(output.name)
    return Bound(lambda: opened.run_with_iobinding(binding), binding.copy_outputs_to_cpu)


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "a scalar" for shape in shapes) or "nothing"
