"""`measure_speed`: packed against dense on images, as compress and validate tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cct.errors import CctError
from cct.measure.interleaved import Bound, bind, quiet_session, time_in_turns
from cct.measure.run_session import Floats, batch_of, by_image, image_input
from cct.messages import first_line
from cct.report.timing import Speed, Timing, Timings
from cct.runtime.machine import cores

TIMED_IMAGES = 4  # a run passes over all of them, so that no one of them decides


@dataclass(frozen=True)
class Measurement:
    """Speed, and what the packed model answered meanwhile.

    Attributes:
        speed: one row a number of threads, milliseconds an image.
        answers: to the images, every output, (n, ...) each, with each number of threads.
    """

    speed: list[Speed]
    answers: list[list[Floats]]


def measure_speed(models: Mapping[str, tuple[Path, Floats]], provider: str = "cpu", rounds: int = 20) -> Measurement:
    """Time "packed", perhaps against "dense", in one run, with one thread and with as many as there are cores.

    On real images, since a file may know the numbers that others would time it on.

    Args:
        models: name -> file and images (n, C, H, W) float32, as the file takes them; "packed", and "dense" before it.
        provider: "cpu" or "cuda".
        rounds: turns of each.

    Raises:
        CctError: the files take images of different shapes, or do not run.
    """
    shapes = {name: images.shape for name, (_, images) in models.items()}
    if len(set(shapes.values())) > 1:
        sizes = " and ".join(f"{name} {'x'.join(map(str, shape[1:]))}" for name, shape in shapes.items())
        raise CctError(f"images of {sizes}: files of one input shape can be compared in speed")
    speed, answers = [], []
    for threads in sorted({1, cores()}):
        bound = {name: _bound(name, path, images, threads, provider) for name, (path, images) in models.items()}
        runs = {name: _all(parts) for name, (parts, _) in bound.items()}
        timings = time_in_turns(runs, threads, provider, rounds)
        parts, size = bound["packed"]
        answers.append(_answers(parts, size // len(parts)))
        models_ms = {name: _an_image(timings.models[name], size) for name, (_, size) in bound.items()}
        speed.append(_speed(threads, timings, models_ms))
    return Measurement(speed, answers)


def _bound(name: str, path: Path, images: Floats, threads: int, provider: str) -> tuple[list[Bound], int]:
    """The session with each image in place, and how many images that are: some files take more than one at once."""
    opened = quiet_session(path, threads, provider)
    batch = batch_of(opened) or 1
    key = image_input(opened).name
    try:
        parts = [bind(opened, {key: np.repeat(image[None], batch, 0)}, provider) for image in images]
    except Exception as error:  # ONNX Runtime raises several kinds
        raise CctError(f"{name} does not run on {list(images.shape[1:])}: {first_line(error)}") from error
    return parts, batch * len(images)


def _all(parts: Sequence[Bound]) -> Any:
    def run() -> None:
        for part in parts:
            part.run()

    return run


def _answers(parts: Sequence[Bound], batch: int) -> list[Floats]:
    alone = [[by_image(np.asarray(output), batch)[:1] for output in part.answers()] for part in parts]
    return [np.concatenate(outputs) for outputs in zip(*alone, strict=True)]


def _an_image(timing: Timing, images: int) -> Timing:
    figures = (timing.ms / images, timing.median / images, timing.high / images, timing.wall / images)
    return Timing(timing.clock, *figures, timing.waited, timing.runs)


def _speed(threads: int, timings: Timings, models: Mapping[str, Timing]) -> Speed:
    ratio = timings.ratios.get("packed")
    doubt = timings.doubt or (ratio.doubt if ratio else "")
    return Speed(threads, models.get("dense"), models["packed"], ratio, doubt)
