"""The figures of `python -m benchmarks.speed`: rows in a JSON file, and what follows from them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

VERSION = 1  # of the JSON
PEERS = ("openvino", "deepsparse")
Row = dict[str, Any]

# A row: group, name, block, density (kept / all weights, measured), asked (of the masks), batch, threads, convolutions,
# gflop (useful: 2 x kept weights x pixels, packed layers only), bytes {dense, packed},
# ms {engine: {clock, ms, median, high, runs}; in rows of before December 2026 {median, low, high, runs}, wall clock},
# doubt {engine: why its ratio to onnxruntime is no figure}, load_ms {engine}, error {engine: against dense},
# peak {isa: GFLOP/s}, missing {engine: why}, cores_used {engine: CPU time / time of the timed runs},
# library (of which build).
KEY = ("group", "name", "block", "asked", "batch", "threads")


def key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def read(path: Path) -> dict[str, Any]:
    """The file, or an empty one."""
    if not path.exists():
        return {"version": VERSION, "machine": "", "versions": {}, "rows": []}
    found: dict[str, Any] = json.loads(path.read_text())
    if found.get("version") != VERSION:
        raise ValueError(f"{path.name} is of version {found.get('version')}, this is {VERSION}: move it away")
    return found


def merged(found: dict[str, Any], machine: str, versions: dict[str, str], rows: Sequence[Row]) -> dict[str, Any]:
    """The file with the new rows in place of those of the same key; those of another machine go."""
    before = {key(row): row for row in found["rows"]} if found["machine"] == machine else {}
    kept = found["versions"] if before else {}
    return {
        "version": VERSION,
        "machine": machine,
        "versions": {**kept, **versions},
        "rows": list((before | {key(row): row for row in rows}).values()),
    }


def write(path: Path, results: dict[str, Any]) -> None:
    """One row a line, so that two versions can be compared."""
    head = json.dumps({name: value for name, value in results.items() if name != "rows"}, indent=1)
    rows = ",\n".join("  " + json.dumps(row) for row in results["rows"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{head[:-2]},\n "rows": [\n{rows}\n ]\n}}\n')


def time_of(row: Row, engine: str) -> float | None:
    """Milliseconds of a run, as the row was measured; None where the engine did not run."""
    found = row["ms"].get(engine)
    return None if found is None else found.get("ms", found["median"])


def spread_of(row: Row, engine: str) -> float:
    """Half the distance of the quick from the slow runs of an engine that ran, of its time."""
    found = row["ms"][engine]
    quick = found.get("ms", found.get("low"))
    return float((found["high"] - quick) / 2 / found.get("ms", found["median"]))


def ratio(row: Row, engine: str = "cct", against: str = "onnxruntime") -> float | None:
    """How many times faster an engine is than another; None where the machine was too busy to tell."""
    if {engine, against} & set(row.get("doubt", ())):
        return None
    ours, theirs = time_of(row, engine), time_of(row, against)
    return theirs / ours if ours and theirs else None


def fastest_peer(row: Row) -> str | None:
    """The faster one of the other engines."""
    times = {name: time for name in PEERS if (time := time_of(row, name))}
    return min(times, key=lambda name: times[name]) if times else None


def over_peer(row: Row) -> float | None:
    """How many times faster we are than the faster one of the other engines."""
    peer = fastest_peer(row)
    return ratio(row, "cct", peer) if peer else None


def peak(row: Row) -> float | None:
    """GFLOP/s of the better instruction set."""
    return max(row["peak"].values(), default=None)


def of_peak(row: Row) -> float | None:
    """Useful operations a second over what the machine can do."""
    time, most = time_of(row, "cct"), peak(row)
    return row["gflop"] / (time / 1e3) / most if time and most else None


def ceiling(row: Row) -> float | None:
    """The speed-up if useful operations ran at the machine's peak and nothing else cost anything."""
    dense, most = time_of(row, "onnxruntime"), peak(row)
    return dense / 1e3 * most / row["gflop"] if dense and most else None


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Of those that are there."""
    there = [value for value in values if value]
    return math.exp(sum(map(math.log, there)) / len(there)) if there else None
