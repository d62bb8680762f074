"""The figures of `python -m benchmarks.speed` as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from benchmarks.speed.results import (
    PEERS,
    Row,
    ceiling,
    fastest_peer,
    geometric_mean,
    of_peak,
    over_peer,
    peak,
    ratio,
    spread_of,
    time_of,
)

NAMES = {"cct": "cct", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "deepsparse": "DeepSparse"}
Column = tuple[str, Callable[[Row], str]]


def as_markdown(results: dict[str, Any]) -> str:
    """All tables, each under its heading."""
    rows: list[Row] = results["rows"]
    of = {
        group: [row for row in rows if row["group"] == group] for group in dict.fromkeys(row["group"] for row in rows)
    }
    parts = ["# Figures of speed", _foot(results)]
    if "chains" in of:
        parts += ["## Chains of six 3x3 convolutions + ReLU", PER_CONVOLUTION, _table(of["chains"], CHAINS)]
        parts += ["Geometric means over the shapes:", _table(_means(of["chains"]), MEANS)]
    if "sweep" in of:
        parts += ["## Other densities", PER_CONVOLUTION, _table(of["sweep"], CHAINS)]
    if "widths" in of:
        parts += ["## Widths that nothing was tuned for", PER_CONVOLUTION, _table(of["widths"], OWN)]
        parts += ["Geometric means over the shapes:", _table(_means(of["widths"]), OWN_MEANS)]
    if "strides" in of:
        text = (
            "A single convolution with ReLU. The last column is the speed-up over that of the same layer with stride 1."
        )
        parts += ["## Stride 2", text, _table(with_stride_1(of["strides"]), STRIDES)]
    if "networks" in of:
        parts += ["## Networks", PER_RUN, _table(with_batch_1(of["networks"]), NETWORKS)]
        parts += ["Loading, milliseconds, measured once:", _table(_loads(of["networks"]), LOADS)]
    if missing := _missing(rows):
        parts += ["## What did not run", missing]
    return "\n\n".join(parts) + "\n"


def _foot(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{NAMES.get(name, name)} {version}" for name, version in sorted(results["versions"].items()))
    rows: list[Row] = results["rows"]
    peaks = []
    for threads in sorted({row["threads"] for row in rows}):
        if rate := geometric_mean(peak(row) for row in rows if row["threads"] == threads):
            peaks.append(f"{rate:.0f} GFLOP/s with {threads} thread{'s' * (threads > 1)}")
    lines = [
        "Written by `python -m benchmarks.speed`; do not edit.",
        f"Machine: {results['machine']}. {versions}. Float32.",
        f"Peak, measured between the runs: {', '.join(peaks) or 'not measured'}.",
        "Each time is a median with half the distance of the first from the last decile or, in rows measured since",
        "December 2026, the 5th percentile (one thread: of CPU time) with half the distance to the 95th. Engines take",
        "turns within one run; a ratio is of times of that run. Random weights and masks, the same for all engines.",
    ]
    if (builds := len({row["library"] for row in rows})) > 1:
        lines.append(f"The rows come from {builds} builds of the library.")
    return "\n".join(lines)


PER_CONVOLUTION = """\
Batch 1, milliseconds a convolution. "Of peak" counts useful multiply-adds only: 2 x kept weights x pixels / time /
peak. "Ceiling" is the speed-up if those ran at the peak and nothing else took time."""
PER_RUN = """\
Milliseconds a run. Density is kept / all weights over the packed convolutions. "Of batch 1" is the speed-up over that
of batch 1."""


def _time(engine: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        time = time_of(row, engine)
        if time is None:
            return ""
        spread = spread_of(row, engine)
        return f"{time / (row['convolutions'] or 1):.{3 if row['convolutions'] else 2}f} ±{spread:.0%}"

    return cell


def _number(value: Callable[[Row], float | None], form: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        found = value(row)
        return "" if found is None else form.format(found)

    return cell


def _load(engine: str) -> Callable[[Row], str]:
    return _number(lambda row: row["load_ms"].get(engine), "{:.0f}")


def _text(name: str) -> Callable[[Row], str]:
    return lambda row: str(row[name])


def _over_peer(row: Row) -> str:
    peer, times = fastest_peer(row), over_peer(row)
    return f"{times:.2f}x {NAMES[peer]}" if peer and times else ""


SHAPE: list[Column] = [
    ("shape", _text("name")),
    ("block", _text("block")),
    ("density", _number(lambda row: row["density"], "{:.3f}")),
    ("threads", _text("threads")),
]
TIMES: list[Column] = [("ONNX Runtime", _time("onnxruntime")), ("cct", _time("cct"))]
RATIO: Column = ("speed-up", _number(ratio, "{:.2f}x"))
PEER_TIMES: list[Column] = [(NAMES[peer], _time(peer)) for peer in PEERS]
OF_PEAK: list[Column] = [("of peak", _number(of_peak, "{:.0%}")), ("ceiling", _number(ceiling, "{:.1f}x"))]
OWN: list[Column] = [*SHAPE, *TIMES, RATIO, *OF_PEAK]
CHAINS: list[Column] = [*SHAPE, *TIMES, RATIO, *PEER_TIMES, ("over the faster peer", _over_peer), *OF_PEAK]
STRIDES: list[Column] = [*OWN, ("of stride 1", _number(lambda row: row["beside"], "{:.0%}"))]
NETWORKS: list[Column] = [
    ("network", _text("name")),
    ("density", _number(lambda row: row["density"], "{:.3f}")),
    ("packed", _text("packed")),
    ("batch", _text("batch")),
    ("threads", _text("threads")),
    *TIMES,
    RATIO,
    *PEER_TIMES,
    ("over the faster peer", _over_peer),
    ("of batch 1", _number(lambda row: row["beside"], "{:.0%}")),
    ("file, MB", lambda row: f"{row['bytes']['dense'] / 1e6:.1f} -> {row['bytes']['packed'] / 1e6:.1f}"),
]
MEANS_OF: list[Column] = [
    ("block", _text("block")),
    ("density", _text("asked")),
    ("threads", _text("threads")),
    ("speed-up", _number(lambda row: row["mean"], "{:.2f}x")),
    ("lowest", _number(lambda row: row["lowest"], "{:.2f}x")),
]
OWN_MEANS: list[Column] = [*MEANS_OF, ("of peak", _number(lambda row: row["of_peak"], "{:.1%}"))]
MEANS: list[Column] = [
    *OWN_MEANS,
    ("over the faster peer", _number(lambda row: row["over_peer"], "{:.2f}x")),
    ("lowest", _number(lambda row: row["lowest_over_peer"], "{:.2f}x")),
]
LOADS: list[Column] = [
    ("network", _text("name")),
    ("threads", _text("threads")),
    *((title, _load(name)) for name, title in NAMES.items()),
]


def _table(rows: Iterable[Row], columns: Sequence[Column]) -> str:
    lines = [[title for title, _ in columns], ["---"] * len(columns)]
    lines += [[cell(row) for _, cell in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _means(rows: Sequence[Row]) -> list[Row]:
    groups: dict[tuple[str, float, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["block"], row["asked"], row["threads"]), []).append(row)
    return [
        {
            "block": block,
            "asked": asked,
            "threads": threads,
            "mean": geometric_mean(map(ratio, members)),
            "lowest": min((value for row in members if (value := ratio(row))), default=None),
            "of_peak": geometric_mean(map(of_peak, members)),
            "over_peer": geometric_mean(map(over_peer, members)),
            "lowest_over_peer": min((value for row in members if (value := over_peer(row))), default=None),
        }
        for (block, asked, threads), members in sorted(groups.items(), key=lambda group: (group[0][2], *group[0][:2]))
    ]


def with_stride_1(rows: Sequence[Row]) -> list[Row]:
    """Each row, and `beside`: its speed-up over that of its layer with stride 1."""
    firsts = {(row["name"], row["asked"], row["threads"]): row for row in rows}
    return [
        {
            **row,
            "beside": _over(
                row, firsts.get((row["name"].replace("stride 2", "stride 1"), row["asked"], row["threads"]))
            ),
        }
        for row in rows
    ]


def with_batch_1(rows: Sequence[Row]) -> list[Row]:
    """Each row, and `beside`: its speed-up over that of its network with one image."""
    firsts = {(row["name"], row["asked"], row["threads"]): row for row in rows if row["batch"] == 1}
    return [{**row, "beside": _over(row, firsts.get((row["name"], row["asked"], row["threads"])))} for row in rows]


def _over(row: Row, other: Row | None) -> float | None:
    if other is None or (other["name"] == row["name"] and other["batch"] == row["batch"]):
        return None
    ours, theirs = ratio(row), ratio(other)
    return ours / theirs if ours and theirs else None


def _loads(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["batch"] == 1]


def _missing(rows: Sequence[Row]) -> str:
    """Engines by reason, with the rows that it concerns."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for name, why in row["missing"].items():
            reasons.setdefault((name, why), []).append(row["name"])
    return "\n".join(
        f"- {NAMES.get(name, name)}: {why} ({', '.join(dict.fromkeys(concerned))})"
        for (name, why), concerned in reasons.items()
    )
