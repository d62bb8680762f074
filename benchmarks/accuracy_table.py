"""The results of `accuracy.py` as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from accuracy_rows import GROUPS, Row
from accuracy_runs import key

HEAD = "| row | accuracy, % | seeds | drop, points | compression | faster, 1 thread | 2 threads | KB | minutes |"

Results = Sequence[Mapping[str, Any]]


def lines_of(row: Row, results: Results) -> list[Mapping[str, Any]]:
    """The row's results, by seed; of what was run twice the last."""
    found = {}
    for line in results:
        if line["row"] == row.name and key(row, line["seed"]).items() <= line.items():
            found[line["seed"]] = line
    return [found[seed] for seed in sorted(found)]


def accuracy(row: Row, results: Results) -> float | None:
    """Mean over the seeds, in percent."""
    lines = lines_of(row, results)
    return mean(line["accuracy"] for line in lines) if lines else None


def speedup(name: str, times: Mapping[str, Any], threads: int = 1) -> float | None:
    """Times as fast as the dense file, measured in one run."""
    ms = times.get("ms", {})
    if name not in ms or "dense" not in ms:
        return None
    return float(ms["dense"][str(threads)] / ms[name][str(threads)])


def tables(results: Results, times: Mapping[str, Any]) -> str:
    """One table a group."""
    return "\n\n".join(f"## {title}\n\n{_table(rows, results, times)}" for title, rows in GROUPS.items())


def _table(rows: Sequence[Row], results: Results, times: Mapping[str, Any]) -> str:
    dense = [(row, accuracy(row, results)) for row in rows if row.recipe(0).compression == 1]
    best = max((figure for _, figure in dense if figure is not None), default=None)
    lines = [HEAD, re.sub(r"[^|]+", "---", HEAD)]
    for row in rows:
        of_row = lines_of(row, results)
        if not of_row:
            continue
        own = mean(line["accuracy"] for line in of_row)
        each = ", ".join(f"{line['accuracy']:.2f}" for line in of_row)
        fast = [speedup(row.name, times, threads) for threads in (1, 2)]
        cells = [
            row.name,
            f"{own:.2f}",
            each if len(of_row) > 1 else str(of_row[0]["seed"]),
            "" if best is None or row.recipe(0).compression == 1 else f"{best - own:.2f}",
            f"{of_row[0]['compression']:.2f}",
            *("" if ratio is None else f"{ratio:.2f}x" for ratio in fast),
            f"{of_row[0]['bytes'] / 1e3:.0f}",
            f"{mean(line['seconds'] for line in of_row) / 60:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
