"""One case of `python -m benchmarks.speed`: export, load every engine, let them take turns.

One row for each number of threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import cct
from benchmarks.engines.available import OURS, PEAKS, Engines, cores_for
from benchmarks.engines.peer_model import NotConvertible, write_peer_model
from benchmarks.engines.process import EngineError, EngineProcess
from benchmarks.speed.cases import Case, block_name
from benchmarks.speed.results import Row
from benchmarks.speed.turns import Turns, take_turns, timed_runs
from cct.measure.parity import relative_error
from cct.measure.ratio import compare_turns, undisturbed
from cct.operator.spec import NAME
from cct.report.layer import Layer
from cct.report.timing import Timing
from cct.runtime.library import library_path

MOST_ERROR = 1e-3  # of an engine against dense, as `cct.measure.parity` has it: more is a wrong answer


@dataclass(frozen=True)
class Files:
    """What a case runs on, and what its export says.

    Attributes:
        paths: engine -> file.
        missing: engine -> why it has none.
        layers: of the packed file.
    """

    paths: dict[str, Path]
    missing: dict[str, str]
    layers: list[Layer]


def measure(case: Case, engines: Engines, folder: Path, rounds: int, limit: float) -> Iterator[Row]:
    """The rows of a case.

    Args:
        case: is exported to `folder`.
        engines: those that can run.
        folder: for its files.
        rounds, limit: as `take_turns` takes them.
    """
    files = _export(case, engines, folder)
    for threads in case.threads:
        cores = cores_for(threads)
        if cores is not None:
            yield _row(case, files, engines, cores, folder, rounds, limit)


def _export(case: Case, engines: Engines, folder: Path) -> Files:
    module, example = case.make(), torch.zeros(1, *case.image)
    packed, dense, peer = folder / "packed.onnx", folder / "dense.onnx", folder / "peer.onnx"
    layers = cct.export(module, example, packed)
    cct.export(module, example, dense, pack=False)
    files = Files({"cct": packed, "onnxruntime": dense}, {}, layers)
    peers = [name for name in engines.python if name not in OURS] if case.peers else []
    try:
        if peers:
            write_peer_model(dense, peer, case.batch)
        files.paths.update(dict.fromkeys(peers, peer))
    except NotConvertible as error:
        files.missing.update(dict.fromkeys(peers, str(error)))
    if case.peers:
        files.missing.update({name: why for name, why in engines.missing.items() if name != "peak"})
    return files


def _row(case: Case, files: Files, engines: Engines, cores: list[int], folder: Path, rounds: int, limit: float) -> Row:
    missing, loaded, errors, seconds = dict(files.missing), dict[str, float](), dict[str, float](), dict[str, float]()
    with ExitStack() as stack:
        started = {name: stack.enter_context(engines.start(name, cores)) for name in files.paths}
        for name in list(started):
            try:
                started[name].wait_until_started()
                answer = started[name].ask("load", str(files.paths[name]), case.batch)
                started[name].ask("answer", str(folder / f"{name}.npy"))
                loaded[name], seconds[name] = answer["seconds"], answer["run"]
            except EngineError as error:
                missing[name] = str(error)
                del started[name]
        if gone := [name for name in OURS if name in missing]:
            raise EngineError(f"{gone[0]} does not run {case.title}: {missing[gone[0]]}")
        want = np.load(folder / "onnxruntime.npy")
        for name in started:
            errors[name] = relative_error(np.load(folder / f"{name}.npy"), want)
            if not errors[name] < MOST_ERROR:  # NaN is wrong too
                raise EngineError(f"{name} answers {case.title} with an error of {errors[name]:.1e}")
        peaks = {isa: process for isa in PEAKS if (process := engines.start_peak(isa, cores))}
        for process in peaks.values():
            stack.enter_context(process)
        runs = timed_runs({name: seconds[name] for name in started})
        turns = take_turns({**started, **peaks}, runs | dict.fromkeys(peaks, 1), rounds, limit)
        rates = {isa: _peak(process, turns[isa]) for isa, process in peaks.items()}
        versions = {name: process.greeting["version"].split("-")[0] for name, process in started.items()}
    timed = {name: turns[name].taken for name in started if not turns[name].error}
    missing.update({name: turns[name].error for name in started if turns[name].error})
    if gone := [name for name in OURS if name in missing]:
        raise EngineError(f"{gone[0]} failed in {case.title}: {missing[gone[0]]}")
    reference = {"onnxruntime": timed.pop("onnxruntime")}
    timings = compare_turns(reference | timed, len(cores), "cpu" if len(cores) == 1 else "wall")
    packed = [layer for layer in files.layers if layer.op == NAME]
    return {
        "group": case.group,
        "name": case.name,
        "block": block_name(case.block),
        "asked": round(case.density, 4),
        "density": round(sum(layer.kept for layer in packed) / max(sum(layer.weights for layer in packed), 1), 4),
        "batch": case.batch,
        "threads": len(cores),
        "convolutions": case.convolutions,
        "gflop": case.batch * sum(2e-9 * layer.macs * layer.density for layer in packed),
        "packed": f"{len(packed)} of {len(files.layers)}",
        "bytes": {
            name: files.paths[engine].stat().st_size for name, engine in (("packed", "cct"), ("dense", "onnxruntime"))
        },
        "ms": {name: in_ms(timing) for name, timing in timings.models.items()},
        "doubt": {name: ratio.doubt for name, ratio in timings.ratios.items() if ratio.doubt},
        "load_ms": {name: round(seconds * 1e3, 1) for name, seconds in loaded.items()},
        "error": {name: float(f"{error:.1e}") for name, error in errors.items() if name != "onnxruntime"},
        "peak": rates,
        "missing": missing,
        "cores_used": {name: round(turns[name].cores_used, 2) for name in timings.models},
        "versions": versions,
        "library": library_hash(),
    }


def _peak(process: EngineProcess, turns: Turns) -> float:
    """GFLOP/s, by the same percentile as all times."""
    return round(float(process.greeting["flops"]) / undisturbed(turns.wall) / 1e6, 1)


def in_ms(timing: Timing) -> dict[str, object]:
    """What a row keeps."""
    figures = {"ms": timing.ms, "median": timing.median, "high": timing.high}
    return {"clock": timing.clock, **{name: round(ms, 4) for name, ms in figures.items()}, "runs": timing.runs}


def library_hash() -> str:
    """Which build of the library was measured."""
    return hashlib.sha256(Path(library_path()).read_bytes()).hexdigest()[:8]


def versions_of(rows: list[Row]) -> dict[str, str]:
    """Engine -> version, as the engines' processes said."""
    found: Mapping[str, str] = {name: version for row in rows for name, version in row.pop("versions").items()}
    return {"cct": cct.__version__, **{name: version for name, version in found.items() if name != "cct"}}
