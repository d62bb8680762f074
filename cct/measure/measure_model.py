"""`measure_model`: every figure of an ONNX file in one call, for compress and for validate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cct.measure.accuracy import accuracy
from cct.measure.images import batches_at, image_at, parity_count, spread_images
from cct.measure.parity import error_of, parity
from cct.measure.proof import proof
from cct.measure.run_session import Floats
from cct.measure.speed import TIMED_IMAGES, measure_speed
from cct.report.figures import Figures
from cct.report.timing import Speed
from cct.runtime.session import PROVIDERS

if TYPE_CHECKING:
    import torch

    from cct.data.split import Data


@dataclass(frozen=True)
class ModelMeasurement:
    """What `measure_model` gives.

    Attributes:
        figures: for a report.
        images: that accuracy was measured on.
        timed_images: that speed is measured on, (n, C, H, W).
        error_while_timed: of the answers while it was timed against those before; None if it wasn't timed.
    """

    figures: Figures
    images: int
    timed_images: Floats
    error_while_timed: float | None


def measure_model(
    path: Path,
    opened: Any,
    images: Data,
    seed: int,
    *,
    sizes: Mapping[str, int],
    baseline: float | None = None,
    dense: tuple[Path, Data] | None = None,
    module: torch.nn.Module | None = None,
    provider: str = "cpu",
    parity_images: int | Literal["all"] | None = None,
    timed: bool = True,
    check: Callable[[Mapping[str, float]], None] | None = None,
) -> ModelMeasurement:
    """Measure accuracy, parity, proof and speed, in this order.

    Args:
        path: the file.
        opened: a session of it.
        images: as the file takes them.
        seed: which of them parity and speed look at.
        sizes: of the files in bytes: "packed", and "dense" if there is one.
        baseline: accuracy of the unpruned model, percent.
        dense: the file to time it against, and images as that takes them.
        module: the pruned network, for parity.
        provider: "cpu" or "cuda".
        parity_images: on how many images parity is measured, as `parity_count` takes it.
        timed: whether speed is measured.
        check: raises CctError for errors of parity with which the rest is not worth measuring.

    Raises:
        CctError: a figure can't be measured, or the library did not run.
    """
    labels = images.val.labels.numpy()
    chosen = spread_images(labels, parity_count(labels, parity_images), seed)
    first = chosen[:TIMED_IMAGES]
    found = accuracy(opened, images, chosen)
    errors = parity(path, batches_at(images, chosen, seed), module, provider=provider, seen=found.answers)
    if check and not found.not_finite:  # else that is what fails
        check(errors)
    batch = image_at(images, first)
    proven = proof(path, batch, provider)
    speed: list[Speed] = []
    error_while_timed = None
    if timed:
        models = {} if dense is None else {"dense": (dense[0], image_at(dense[1], first))}
        measured = measure_speed({**models, "packed": (path, batch)}, provider)
        speed, known = measured.speed, [output[: len(first)] for output in found.answers]
        error_while_timed = max(error_of(path, answers, known) for answers in measured.answers)
        if check and not found.not_finite:
            check({"while timed": error_while_timed})
    figures = Figures(
        accuracy={"compressed": found.percent} | ({} if baseline is None else {"baseline": baseline}),
        not_finite=found.not_finite,
        parity=errors,
        parity_images=len(chosen),
        provider=PROVIDERS[provider],
        proven=proven,
        bytes=dict(sizes),
        speed=speed,
    )
    return ModelMeasurement(figures, found.images, batch, error_while_timed)
