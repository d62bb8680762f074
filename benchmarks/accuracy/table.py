"""The results of `python -m benchmarks.accuracy` as Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.accuracy.rows import BY_NAME, COMPARABLE, DENSE, GROUPS, Row
from benchmarks.accuracy.runs import of

HEAD = (
    "| row | accuracy, % | seeds | drop, points | compression | epochs | minutes | KB | faster, 1 thread | 2 threads |"
)
INTRODUCTION = """# Figures of accuracy

Written by `python -m benchmarks.accuracy report`; do not edit. What the rows are: [results](results.md).
{machine}
Accuracy is that of the last epoch on the 10,000 held-out images of CIFAR-10 (coarse JPEGs: compare within a table
only); of several seeds the mean. A drop is against the better dense row, where there is one of the same epochs.
Compression is weights / kept weights of the prunable convolutions (of channels: MACs / MACs). Epochs and minutes are
those of all trainings that a row needs, its teacher's too; other work ran on the machine, so minutes of different rows
can't be compared. KB are of the ONNX file, "faster" is the time of the dense row's file over this one's in ONNX
Runtime, one image, all files of a network in turns.
"""

Results = Sequence[Mapping[str, Any]]


def lines_of(row: Row, results: Results) -> list[Mapping[str, Any]]:
    """The row's results, by seed; of what was run twice the last."""
    found = {}
    for line in results:
        if of(row, line["seed"], line):
            found[line["seed"]] = line
    return [found[seed] for seed in sorted(found)]


def accuracy(row: Row, results: Results) -> float | None:
    """Mean over the seeds, in percent."""
    lines = lines_of(row, results)
    return mean(line["accuracy"] for line in lines) if lines else None


def speedup(row: Row, times: Mapping[str, Any], threads: int = 1) -> float | None:
    """Times as fast as the dense file of its network, measured in one run."""
    ms, dense = times.get("ms", {}), DENSE[row.network]
    if row.name not in ms or dense not in ms:
        return None
    return float(ms[dense][str(threads)] / ms[row.name][str(threads)])


def figures(results: Results, times: Mapping[str, Any]) -> str:
    """All that is measured, as a page."""
    machines = sorted({f"{line['machine']}; PyTorch {line['torch']}, Python {line['python']}" for line in results})
    threads = " or ".join(map(str, sorted({line["threads"] for line in results})))
    trained = f"Trained on: {'. '.join(machines)}, bfloat16 autocast, threads a run: {threads}."
    timed = " Timed on: {machine}, ONNX Runtime {onnxruntime}, {rounds} turns.".format(**times) if times else ""
    run = {title: [row for row in rows if lines_of(row, results)] for title, rows in GROUPS.items()}
    tables = [
        f"## {title}\n\n{table(rows, results, times, title in COMPARABLE)}\n" for title, rows in run.items() if rows
    ]
    return "\n".join([INTRODUCTION.format(machine=trained + timed), *tables])


def needed(row: Row, results: Results) -> tuple[int, float]:
    """Epochs and minutes of a row, of what it begins with and of its teacher; not a number if one is not there."""
    rows, found = [row], {row.name: row}
    while rows:
        one = rows.pop()
        others = [BY_NAME[name] for name in (one.start, one.teacher) if name in BY_NAME and name not in found]
        found |= {other.name: other for other in others}
        rows += others
    lines = [lines_of(one, results) for one in found.values()]
    minutes = [mean(line["seconds"] for line in of_row) / 60 if of_row else math.nan for of_row in lines]
    return sum(one.recipe(0).epochs for one in found.values()), sum(minutes)


def table(rows: Sequence[Row], results: Results, times: Mapping[str, Any], comparable: bool = True) -> str:
    """Rows that have results; drops where all dense rows are comparable with all others."""
    dense = [accuracy(row, results) for row in rows if row.recipe(0).compression == 1]
    best = max((figure for figure in dense if figure is not None), default=None)
    lines = [HEAD, re.sub(r"[^|]+", "---", HEAD)]
    for row in rows:
        of_row = lines_of(row, results)
        own = mean(line["accuracy"] for line in of_row)
        each = ", ".join(f"{line['accuracy']:.2f}" for line in of_row)
        epochs, minutes = needed(row, results)
        fast = [speedup(row, times, threads) for threads in (1, 2)]
        cells = [
            row.name,
            f"{own:.2f}",
            each if len(of_row) > 1 else str(of_row[0]["seed"]),
            "" if best is None or not comparable or row.recipe(0).compression == 1 else f"{best - own:.2f}",
            f"{of_row[0]['compression']:.2f}",
            str(epochs),
            "" if math.isnan(minutes) else f"{minutes:.1f}",
            f"{of_row[0]['bytes'] / 1e3:.0f}",
            *("" if ratio is None else f"{ratio:.2f}x" for ratio in fast),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
