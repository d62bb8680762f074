"""`cct bench`: ONNX files side by side in one run, as text of at most 100 columns and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from cct.measure.interleaved import compare
from cct.measure.profile import node_times
from cct.operator.read_model import model_bytes, pattern_convs, read_model
from cct.report.comparison import Comparison, File
from cct.runtime.library import isa
from cct.runtime.machine import machine
from cct.runtime.random_feeds import random_feeds
from cct.runtime.session import PROVIDERS


def compare_files(
    paths: Sequence[Path],
    *,
    threads: Sequence[int],
    provider: str = "cpu",
    batch: int = 1,
    size: tuple[int, int] | None = None,
    rounds: int = 20,
    layers: bool = False,
) -> Comparison:
    """Check the files, time them in turns, and profile them if asked.

    Args:
        paths: ONNX files; each other one is compared with the first.
        threads: within an operator, one measurement each.
        provider: "cpu" or "cuda".
        batch, size, rounds: as `compare` takes them.
        layers: whether to profile, with the first number of threads.

    Raises:
        CctError: a file can't be used, or they do not take the same input.
    """
    models: dict[str, Path] = {}
    for path in paths:
        again = sum(other == path for other in paths[: len(models)])
        models[f"{path} ({again + 1})" if again else str(path)] = path
    graphs = {name: read_model(path) for name, path in models.items()}
    files = [
        File(name, model_bytes(path, graphs[name]), len(pattern_convs(graphs[name]))) for name, path in models.items()
    ]
    timings = {
        count: compare(models, threads=count, provider=provider, batch=batch, size=size, rounds=rounds)
        for count in dict.fromkeys(threads)
    }

    def use(opened: Any) -> None:
        feeds = random_feeds(opened, batch, 0, size)
        for _ in range(rounds + 1):
            opened.run(None, feeds)

    times = (node_times(path, graphs[name], use, provider, threads[0]) for name, path in models.items())
    return Comparison(
        files=files,
        timings=timings,
        provider=PROVIDERS[provider],
        batch=batch,
        machine=machine(),
        onnxruntime=ort.__version__,
        isa=isa() if any(file.pattern_convs for file in files) else "",
        nodes=dict(zip(models, times, strict=True)) if layers else {},
    )
