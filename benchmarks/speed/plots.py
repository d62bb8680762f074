"""The figures of `python -m benchmarks.speed` as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from benchmarks.speed.cases import TUNED
from benchmarks.speed.results import Row, ceiling, ratio
from benchmarks.speed.table import NAMES

COLOURS = {"cct": "#0072B2", "deepsparse": "#D55E00", "openvino": "#009E73", "onnxruntime": "#777777"}
TICKS = {1 / 16: "1/16", 1 / 8: "1/8", 1 / 6: "1/6", 1 / 4: "1/4", 1 / 3: "1/3", 4 / 9: "4/9"}
STYLE: Any = {"svg.hashsalt": "cct", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw what there are rows for; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with matplotlib.rc_context(STYLE):
        for name, picture in (("speed-density", densities), ("speed-networks", networks)):
            figure = picture(rows)
            if figure is not None:
                drawn.append(folder / f"{name}.svg")
                figure.savefig(drawn[-1], bbox_inches="tight", metadata={"Date": None, "Creator": None})
                plt.close(figure)
    return drawn


def densities(rows: Sequence[Row]) -> Any:
    """Speed-up against density: a panel for each shape of the chains, one thread."""
    shapes = [f"{channels}@{side}" for channels, side in TUNED]
    of = {
        shape: sorted(
            (
                row
                for row in rows
                if row["group"] in ("chains", "sweep") and row["name"] == shape and row["threads"] == 1
            ),
            key=lambda row: row["asked"],
        )
        for shape in shapes
    }
    if not any(of.values()):
        return None
    figure, panels = plt.subplots(2, 2, figsize=(9, 7), sharex=True, sharey=True)
    for panel, shape in zip(panels.flat, shapes, strict=True):
        blocks = [row for row in of[shape] if row["block"] == "4x1"]
        singles = [row for row in of[shape] if row["block"] == "1x1"]
        _line(panel, blocks, ceiling, "ceiling: useful work at the machine's peak", "k", "", "--")
        _line(panel, blocks, ratio, "cct, block 4x1", COLOURS["cct"], "o")
        _line(panel, singles, ratio, "cct, block 1x1", COLOURS["cct"], "^", ":", "white")
        _line(panel, blocks, lambda row: ratio(row, "deepsparse"), "DeepSparse", COLOURS["deepsparse"], "s")
        _line(panel, blocks, lambda row: ratio(row, "openvino"), "OpenVINO dense", COLOURS["openvino"], "D")
        panel.axhline(1, color=COLOURS["onnxruntime"], linewidth=1, zorder=1)
        panel.set_title(
            f"{shape.split('@')[0]} channels, {shape.split('@')[1]} x {shape.split('@')[1]} pixels", fontsize=10
        )
        _logarithmic(panel)
    figure.supxlabel("density: kept weights / weights")
    figure.supylabel("speed-up over ONNX Runtime's dense convolutions (= 1x)")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=3, frameon=False, bbox_to_anchor=(0.5, 1.055))
    figure.suptitle("Chains of six 3x3 convolutions + ReLU, batch 1, one thread", y=1.08, fontsize=12)
    figure.tight_layout()
    return figure


def _line(
    panel: Any,
    rows: Sequence[Row],
    value: Callable[[Row], float | None],
    label: str,
    colour: str,
    marker: str,
    style: str = "-",
    inside: str | None = None,
) -> None:
    points = [(row["asked"], value(row)) for row in rows if value(row)]
    if points:
        x, y = zip(*points, strict=True)
        inside = inside or colour
        panel.plot(
            x, y, style, color=colour, marker=marker, markersize=5, markerfacecolor=inside, label=label, zorder=3
        )


def _logarithmic(panel: Any) -> None:
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.xaxis.set_major_locator(FixedLocator(list(TICKS)))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda x, _: TICKS[min(TICKS, key=lambda tick: abs(tick - x))]))
    panel.yaxis.set_major_locator(FixedLocator([0.25, 0.5, 1, 2, 4, 8, 16, 32]))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}x"))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    panel.grid(True, color="#dddddd", linewidth=0.6)
    panel.tick_params(labelbottom=True, labelleft=True)


def networks(rows: Sequence[Row]) -> Any:
    """Speed-up of whole networks as bars: batch 1, a panel for each number of threads."""
    whole = [row for row in rows if row["group"] == "networks" and row["batch"] == 1]
    counts = sorted({row["threads"] for row in whole})
    if not counts:
        return None
    names = list(dict.fromkeys(row["name"] for row in whole))
    engines = [name for name in ("cct", "deepsparse", "openvino") if any(name in row["ms"] for row in whole)]
    size = (9, 0.9 + len(counts) * (0.8 + 0.62 * len(names)))
    figure, panels = plt.subplots(len(counts), 1, figsize=size, sharex=True, squeeze=False)
    for panel, threads in zip(panels.flat, counts, strict=True):
        found = {row["name"]: row for row in whole if row["threads"] == threads}
        for place, engine in enumerate(engines):
            _bars(panel, names, found, engine, place, len(engines))
        panel.axvline(1, color=COLOURS["onnxruntime"], linewidth=1)
        panel.set_yticks(range(len(names)), [_label(found.get(name), name) for name in names])
        panel.invert_yaxis()
        panel.set_title(f"{threads} thread{'s' * (threads > 1)}", fontsize=10)
        panel.tick_params(labelbottom=True)
    panels.flat[-1].set_xlabel("speed-up over ONNX Runtime dense (= 1x)")
    panels.flat[-1].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}x"))
    panels.flat[-1].set_xlim(0, 1.1 * max(ratio(row, engine) or 0 for row in whole for engine in engines))
    figure.tight_layout()
    top = 1 + 0.7 / size[1]
    figure.suptitle("Whole networks with random pattern masks, block 4x1, batch 1", y=top, fontsize=12)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", ncols=3, frameon=False, bbox_to_anchor=(0.5, top - 0.3 / size[1])
    )
    return figure


def _bars(panel: Any, names: Sequence[str], found: dict[str, Row], engine: str, place: int, count: int) -> None:
    height = 0.8 / count
    values = [ratio(found[name], engine) or 0.0 if name in found else 0.0 for name in names]
    places = [line - 0.4 + (place + 0.5) * height for line in range(len(names))]
    bars = panel.barh(places, values, height * 0.92, color=COLOURS[engine], label=NAMES[engine])
    panel.bar_label(bars, [f"{value:.2f}x" if value else "" for value in values], padding=3, fontsize=8)


def _label(row: Row | None, name: str) -> str:
    network, side = name.split("@")
    return f"{network}, {side} x {side}" + (f"\ndensity {row['density']:.3g}" if row else "")
