"""Every figure of speed: layers and networks against ONNX Runtime dense, OpenVINO dense and DeepSparse 1.8, in one run.

    python -m benchmarks.speed                                               # all of it: about 25 minutes, two cores
    python -m benchmarks.speed --only chains --threads 1 --rounds 10         # a quick look; the other figures stay
    python -m benchmarks.speed --only networks --match resnet18 --peers none
    python -m benchmarks.speed --report                                      # tables and plots of what is there

Every engine runs in a process of its own, the peers in environments of their own, made under build/peers at the first
run (`--peers none` leaves them out). They take turns, and whoever has no turn is stopped; one more process measures the
machine's peak. All get the same pruned weights: cct the packed file, the others the dense export with zeros in it.

Writes benchmarks/results/speed.json, docs/performance-figures.md and the plots in docs/images. A run of a part replaces
the rows of that part; `--results` writes elsewhere, and then only the JSON.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.engines.available import Engines, cores_for, find_engines
from benchmarks.engines.environments import PEERS
from benchmarks.engines.process import EngineError
from benchmarks.speed.cases import GROUPS, Case, cases
from benchmarks.speed.measure import measure, versions_of
from benchmarks.speed.results import Row, merged, ratio, read, time_of, write
from benchmarks.speed.table import as_markdown
from cct.runtime.machine import machine

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
FIGURES = ROOT / "docs" / "performance-figures.md"
IMAGES = ROOT / "docs" / "images"
LEAST_BUSY = 0.97  # share of the time that the dense engine had its core for itself


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(GROUPS), help="of %(default)s")
    parser.add_argument("--match", default="", help="only cases whose title has this in it")
    parser.add_argument("--shapes", help="of the chains, instead of the four: 64@56,128@28")
    parser.add_argument("--blocks", help="of the chains, instead of 4x1,1x1: 2x1,8x1")
    parser.add_argument("--densities", help="of the chains, instead of 1/8 and 4/9: 0.0625,0.25")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each engine, %(default)s")
    parser.add_argument(
        "--limit", type=float, default=12, help="seconds a case after which no round starts, %(default)s"
    )
    parser.add_argument("--peers", default=",".join(PEERS), help="%(default)s, or none")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--list", action="store_true", help="print the cases, run nothing")
    parser.add_argument("--report", action="store_true", help="write tables and plots of what is there, run nothing")
    given = parser.parse_args()
    given.only = given.only.split(",")
    given.peers = [] if given.peers == "none" else given.peers.split(",")
    for name, known in (("only", GROUPS), ("peers", tuple(PEERS))):
        if wrong := [value for value in getattr(given, name) if value not in known]:
            parser.error(f"--{name} {wrong[0]}: it must be of {', '.join(known)}")
    return given


def chosen(given: argparse.Namespace) -> Iterator[Case]:
    """The cases that the options ask for."""
    threads = tuple(sorted(int(count) for count in given.threads.split(",")))
    shapes, blocks = _pairs(given.shapes, "@"), _pairs(given.blocks, "x")
    densities = tuple(float(density) for density in given.densities.split(",")) if given.densities else None
    for case in cases(threads, shapes, blocks, densities):
        if case.group in given.only and given.match in case.title:
            yield case


def _pairs(text: str | None, between: str) -> tuple[tuple[int, int], ...] | None:
    if not text:
        return None
    pairs = (part.split(between) for part in text.split(","))
    return tuple((int(first), int(second)) for first, second in pairs)


def run(given: argparse.Namespace) -> None:
    """Measure case after case; the JSON grows with each."""
    engines = find_engines(given.peers, ROOT / "build" / "peers")
    for name, why in engines.missing.items():
        print(f"{name} can't run here: {why}", flush=True)
    for threads in sorted({threads for case in chosen(given) for threads in case.threads}):
        if cores_for(threads) is None:
            print(f"nothing with {threads} threads: this process may not use that many cores", flush=True)
    start = time.perf_counter()
    for case in chosen(given):
        try:
            rows = _measured(case, engines, given)
        except EngineError as error:
            print(error, flush=True)
            continue
        versions = versions_of(rows)
        write(given.results, merged(read(given.results), processor(), versions, rows))
    print(f"{time.perf_counter() - start:.0f} s")


def processor() -> str:
    """The machine, whatever part of it this process may use."""
    return f"{machine().rsplit(',', 1)[0]}, {os.cpu_count()} cores"


def _measured(case: Case, engines: Engines, given: argparse.Namespace) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for row in measure(case, engines, Path(folder), given.rounds, given.limit):
            rows.append(row)
            times = ", ".join(f"{name} {time_of(row, name):.3f}" for name in row["ms"])
            print(f"{case.title}, {row['threads']} thr: {times} ms; {ratio(row):.2f}x", flush=True)
            for name, why in (row["missing"] | row["doubt"]).items():
                print(f"  {name}: {why}", flush=True)
            had = row["cores_used"]["onnxruntime"]
            if row["threads"] == 1 and had < LEAST_BUSY:
                print(f"  something else computes on this core: {had:.0%} of it was left", flush=True)
    return rows


def report(given: argparse.Namespace) -> None:
    """Print the tables; write them and the plots, unless the results are kept elsewhere."""
    results = read(given.results)
    text = as_markdown(results)
    print("\n" + text)
    if given.results != RESULTS:
        return
    FIGURES.write_text(text)
    try:
        from benchmarks.speed.plots import draw
    except ImportError:
        print("no plots: pip install matplotlib")
    else:
        draw(results["rows"], IMAGES)


def main() -> None:
    """Measure, then report."""
    given = parsed()
    if given.list:
        print("\n".join(f"{case.group}: {case.title}, threads {case.threads}" for case in chosen(given)))
        return
    if not given.report:
        run(given)
    report(given)


if __name__ == "__main__":
    main()
