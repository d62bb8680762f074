"""How long the trained networks of `python -m benchmarks.accuracy` take in ONNX Runtime, all in one run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.accuracy.rows import COMPARABLE, DENSE, GROUPS
from benchmarks.accuracy.runs import file_of, of
from cct.measure.interleaved import compare
from cct.runtime.machine import machine

THREADS = (1, 2)


def measure(results: Sequence[dict[str, Any]], folder: Path, rounds: int) -> dict[str, Any]:
    """Ms of one image by row and number of threads; the files of a network, one a row, take turns.

    Args:
        results: of the training.
        folder: where that left its files.
        rounds: turns of each file.
    """
    times: dict[str, dict[str, float]] = {}
    doubts: list[str] = []  # of times that the machine was too busy for
    rows = [row for title in COMPARABLE for row in GROUPS[title]]
    for network in DENSE:
        of_network = [row for row in rows if row.network == network]
        runs = [(row.name, line["seed"]) for row in of_network for line in results if of(row, line["seed"], line)]
        found = [(name, file_of(folder, name, seed, "onnx")) for name, seed in sorted(runs, reverse=True)]
        there = {name: file for name, file in found if file.exists()}  # the lowest seed's comes last and stays
        for threads in THREADS if there else ():
            timings = compare(there, threads=threads, rounds=rounds)
            doubts += [f"{name}, {threads} threads: {r.doubt}" for name, r in timings.ratios.items() if r.doubt]
            for name, timing in timings.models.items():
                times.setdefault(name, {})[str(threads)] = round(timing.ms, 4)
    for doubt in doubts:
        print(doubt, file=sys.stderr)
    about = {"machine": machine(), "onnxruntime": onnxruntime.__version__, "rounds": rounds}
    return {**about, "ms": times, "doubts": doubts}
