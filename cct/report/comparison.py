"""`Comparison`: what `cct bench` measured, as text of at most 100 columns and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cct.messages import printable
from cct.operator.spec import NAME
from cct.report.node_time import NodeTime
from cct.report.plain_json import as_json
from cct.report.table import aligned
from cct.report.timing import CLOCKS, Ratio, Timings

VERSION = 2  # of the JSON
_CONVOLUTIONS = ("Conv", "FusedConv", "ConvTranspose", NAME)


@dataclass(frozen=True)
class File:
    """One of the files.

    Attributes:
        name: as it was given; of a file that is there twice the second gets a number.
        bytes: of the file, and of what it keeps in other files.
        pattern_convs: PatternConv nodes in it.
    """

    name: str
    bytes: int
    pattern_convs: int


@dataclass(frozen=True)
class Comparison:
    """What `cct bench` measured.

    Attributes:
        files: the first is compared with each other one.
        timings: threads -> the time of each file, and how many times faster than the first it is.
        nodes: file -> where its time goes; empty if nobody asked.
        threads_of_nodes: threads with which `nodes` were measured.
        isa: row of the library that ran; empty if no file has a PatternConv.
    """

    files: Sequence[File]
    timings: dict[int, Timings]
    provider: str
    batch: int
    machine: str
    onnxruntime: str
    isa: str
    nodes: dict[str, list[NodeTime]] = field(default_factory=dict)

    def to_json(self) -> str:
        """For programs."""
        timings = [
            {"threads": threads, "file": name, **asdict(timing), "ratio": _plain(times, name), "doubt": times.doubt}
            for threads, times in self.timings.items()
            for name, timing in times.models.items()
        ]
        return as_json({"cct_bench": VERSION, **asdict(self), "timings": timings})

    def to_text(self) -> str:
        """For a terminal."""
        first = self.files[0].name
        table = [("threads", "file", "MB", NAME, "ms", "wall ms", "ratio", "95 %")]
        for threads, times in self.timings.items():
            for file in self.files:
                timing, ratio = times.models[file.name], _ratio(times, file.name)
                cells = (f"{file.bytes / 1e6:.2f}", str(file.pattern_convs), f"{timing.ms:.2f}", f"{timing.wall:.2f}")
                value = f"{ratio.figure:.2f}x" if ratio and ratio.figure else "none" if ratio else ""
                spread = f"{ratio.low:.2f} .. {ratio.high:.2f}" if ratio else ""
                table.append((str(threads), printable(file.name), *cells, value, spread))
        lines = [aligned(table, right=(0, *range(2, 8)))]
        lines += [f"ms           {clock}: 5th percentile of the runs" for clock in self._clocks()]
        lines.append("wall ms      wall clock: median of the runs")
        if len(self.files) > 1:
            lines.append(f"ratio        ms of that file / ms of {printable(first)}, and where 95 % of such ratios lie")
        lines += [f"no figure    {where}: {doubt}" for where, doubt in self._doubts()]
        if not any(file.pattern_convs for file in self.files):
            lines.append(f"note         no file has a {NAME}: nothing of cct's library was measured")
        runs = min(timing.runs for times in self.timings.values() for timing in times.models.values())
        library = f", library row {self.isa}" if self.isa else ""
        lines += [
            f"measured     {runs} runs or more each{', in turns' * (len(self.files) > 1)}, {self.provider}, "
            f"batch {self.batch} where it is free",
            f"machine      {self.machine}",
            f"software     onnxruntime {self.onnxruntime}{library}",
        ]
        if self.nodes:
            threads = next(iter(self.timings))
            lines += [f"\nby layer, ms, {threads} thread{'s' * (threads > 1)}, in ONNX Runtime's profile:"]
            lines += [self._layers(), "by operator:\n" + self._operators().rstrip()]
        return "\n".join(lines)

    def _clocks(self) -> list[str]:
        """By which clock each number of threads was measured, a line a clock."""
        by_clock: dict[str, list[str]] = {}
        for threads, times in self.timings.items():
            by_clock.setdefault(next(iter(times.models.values())).clock, []).append(str(threads))
        return [f"{CLOCKS[clock]} (threads: {', '.join(threads)})" for clock, threads in by_clock.items()]

    def _doubts(self) -> list[tuple[str, str]]:
        """Where a figure is missing, and why."""
        found = []
        for threads, times in self.timings.items():
            where = f"{threads} thread{'s' * (threads > 1)}"
            if times.doubt:
                found.append((where, times.doubt))
            else:
                found += [(f"{where}, {printable(n)}", ratio.doubt) for n, ratio in times.ratios.items() if ratio.doubt]
        return found

    def _layers(self) -> str:
        """A line a convolution, joined by its name, and what the letters stand for."""
        names = dict.fromkeys(n.name for nodes in self.nodes.values() for n in nodes if n.op in _CONVOLUTIONS)
        rows = [(name, [[n for n in nodes if n.name == name] for nodes in self.nodes.values()]) for name in names]
        files = "".join(f"{_letter(i)}: {printable(name)}\n" for i, name in enumerate(self.nodes))
        elsewhere = {n.provider for nodes in self.nodes.values() for n in nodes} - {self.provider}
        note = f"some nodes ran on {', '.join(sorted(elsewhere))}\n" if elsewhere else ""
        return files + note + self._beside("layer", rows, lambda nodes: ", ".join(dict.fromkeys(n.op for n in nodes)))

    def _operators(self) -> str:
        """A line an operator, and the sum."""
        operators = dict.fromkeys(n.op for nodes in self.nodes.values() for n in nodes)
        rows = [(op, [[n for n in nodes if n.op == op] for nodes in self.nodes.values()]) for op in operators]
        rows.append(("all", list(self.nodes.values())))
        return self._beside("operator", rows, lambda nodes: f"{len(nodes)} node{'s' * (len(nodes) > 1)}")

    def _beside(
        self, head: str, rows: Iterable[tuple[str, list[list[NodeTime]]]], what: Callable[[list[NodeTime]], str]
    ) -> str:
        """For every file what its nodes are, milliseconds, and the share of the file's time."""
        table = [(head, *(h for i in range(len(self.nodes)) for h in (_letter(i), "ms", "share")))]
        totals = [_sum(nodes) for nodes in self.nodes.values()]
        for name, cells in rows:
            line = [printable(name)]
            for nodes, total in zip(cells, totals, strict=True):
                taken = _sum(nodes)
                line += [what(nodes), f"{taken:.3f}", f"{taken / total:.1%}"] if nodes else ["-", "-", "-"]
            table.append(tuple(line))
        figures = [i for i in range(1, len(table[0])) if i % 3 != 1]
        return aligned(table, right=figures)


def _ratio(times: Timings, name: str) -> Ratio | None:
    """How many times faster the first file is than this one; None for the first."""
    ratio = times.ratios.get(name)
    return None if ratio is None else ratio.inverse


def _plain(times: Timings, name: str) -> dict[str, Any] | None:
    """The ratio for JSON: its figure, beside what was seen."""
    ratio = _ratio(times, name)
    return None if ratio is None else asdict(ratio)


def _letter(index: int) -> str:
    """A to Z, then AA, AB and so on."""
    more, last = divmod(index, 26)
    return (_letter(more - 1) if more else "") + chr(ord("A") + last)


def _sum(nodes: Iterable[NodeTime]) -> float:
    return sum(node.milliseconds for node in nodes)
