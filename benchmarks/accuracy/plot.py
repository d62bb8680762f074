"""The curve by which users decide: accuracy against measured speed-up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.accuracy.rows import BY_NAME, LINES
from benchmarks.accuracy.table import Results, accuracy, speedup

COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7", "#D55E00", "#777777")
STYLE: Any = {"svg.hashsalt": "cct", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}


def draw(results: Results, times: Mapping[str, Any], folder: Path) -> None:
    """Write `accuracy-speed.svg`: one line a method and block, one panel a number of threads."""
    if not times:
        return
    with matplotlib.rc_context(STYLE):
        figure, panels = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
        for threads, panel in zip((1, 2), panels, strict=True):
            for (label, names), colour in zip(LINES.items(), COLOURS, strict=False):
                points = [
                    (speed, figure_)
                    for name in names
                    if (speed := speedup(BY_NAME[name], times, threads)) is not None
                    and (figure_ := accuracy(BY_NAME[name], results)) is not None
                ]
                if points:
                    panel.plot(*zip(*sorted(points), strict=True), marker="o", label=label, color=colour)
            dense = accuracy(BY_NAME["dense"], results)
            if dense is not None:
                panel.axhline(dense, color="k", linestyle=":", linewidth=1)
                panel.annotate("dense", (1, dense), xytext=(0, 3), textcoords="offset points")
            panel.set_xlim(left=0.9)
            panel.set_xlabel(f"times as fast as dense in ONNX Runtime, {threads} thread{'s' if threads > 1 else ''}")
        panels[0].set_ylabel("accuracy, %")
        lines, labels = panels[0].get_legend_handles_labels()
        figure.legend(lines, labels, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0.02))
        folder.mkdir(parents=True, exist_ok=True)
        figure.savefig(folder / "accuracy-speed.svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
        plt.close(figure)
