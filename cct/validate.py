"""Is this ONNX file what it should be? Accuracy, parity, proof that the library ran, size and speed, held to goals."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from cct.bench import compare, cores
from cct.errors import CctError
from cct.goals import Goal, Measure, failures
from cct.json_text import as_json
from cct.onnx_file import pattern_convs, read_model
from cct.operator import NAME
from cct.parity import MAX_ERROR, PARITY_IMAGES, image_input, parity, proof, run
from cct.report import Speed, speed_line
from cct.runtime import PROVIDERS, session
from cct.source import ModelSource, is_onnx

if TYPE_CHECKING:
    from cct.data import Data


@dataclass
class Verdict:
    """What `cct validate` found.

    Attributes:
        accuracy: percent on the validation images: "compressed" (the ONNX file), and "baseline" if one was given.
        parity: leg -> max|a - b| / max|b| of the library against it.
        proven: PatternConv nodes seen running on `provider` in ONNX Runtime's profile.
        bytes: of the files: "packed", and "dense" if there is a baseline.
        speed: against the dense baseline; empty if there is none and no goal asks for it.
        goals: that were given.
        failed: goals that were not reached, a line each.
    """

    accuracy: dict[str, float]
    parity: dict[str, float]
    provider: str
    proven: int
    bytes: dict[str, int]
    speed: list[Speed]
    goals: list[str]
    failed: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; "passed" is null when no goal was given."""
        return {"cct_verdict": 1, **asdict(self), "passed": not self.failed if self.goals else None}

    def to_json(self) -> str:
        """For programs."""
        return as_json(self.as_dict())

    def to_text(self) -> str:
        """For a terminal."""
        lines = [f"accuracy     {name} {percent:.2f} %" for name, percent in self.accuracy.items()]
        lines += [f"parity       library against {leg}: {error:.1e}" for leg, error in self.parity.items()]
        lines += [f"proof        {self.proven} PatternConv ran on {self.provider}"]
        lines += [f"file         {', '.join(f'{name} {size / 1e6:.2f} MB' for name, size in self.bytes.items())}"]
        lines += [speed_line(speed) for speed in self.speed]
        verdict = [f"FAILED       {failure}" for failure in self.failed]
        return "\n".join([*lines, *(verdict or ["passed" if self.goals else "no goal given"])])


def validate(
    path: Path,
    *,
    data: str,
    baseline: ModelSource | None = None,
    pruned: ModelSource | None = None,
    goals: Sequence[Goal] = (),
    scale: Mapping[str, Any] | None = None,
    provider: str = "cpu",
) -> Verdict:
    """Judge an ONNX file.

    Args:
        path: the file.
        data: as `cct.data.load_data` takes it.
        baseline: the unpruned model, an ONNX file or anything that `load_model` reads, to compare with.
        pruned: the pruned weights, for a parity leg in torch.
        goals: what the file must reach.
        scale: mean, std and size as `load_data` takes them, where the file's own are not to be used.
        provider: "cpu" or "cuda".

    Raises:
        CctError: there can be no verdict, and why.
    """
    from cct.checkpoint import load_model
    from cct.data import load_data

    if baseline is None and any(goal.relative for goal in goals):
        raise CctError(f"goal {next(g for g in goals if g.relative)} needs --baseline: the model to compare with")
    nodes = pattern_convs(read_model(path))
    opened = session(path, provider=provider)
    if not nodes and not any(name.startswith("cct.") for name in opened.get_modelmeta().custom_metadata_map):
        raise CctError(f"{path} has no {NAME} and was not made by cct: give the file that compress or export wrote")
    images = load_data(data, **{**_scale(path, opened), **(scale or {})})
    percent = {"compressed": accuracy(opened, images)}
    sizes = {"packed": path.stat().st_size}
    speeds: list[Speed] = []
    with tempfile.TemporaryDirectory() as folder:
        dense: Path | None = None
        if baseline is not None:
            percent["baseline"], dense = _baseline(baseline, images, Path(folder) / "dense.onnx")
            sizes["dense"] = dense.stat().st_size
        if dense or any(goal.metric == "latency" for goal in goals):
            speeds = measure(dense, path, provider)
    few = next(iter(images.batches("val", PARITY_IMAGES)))[0].numpy()
    errors = parity(path, few, load_model(pruned).module if pruned is not None else None, provider)
    half = any(node.inputs[7].dtype == ir.DataType.FLOAT16 for node in nodes if node.inputs[7] is not None)
    limit = MAX_ERROR["float16" if half else "tf32" if provider == "cuda" else "float32"]
    if not all(error <= limit for leg, error in errors.items() if leg != "torch"):
        raise CctError(
            f"{path} answers one thing with the library and another without ({errors}): it is no file of cct"
        )
    return Verdict(
        accuracy=percent,
        parity=errors,
        provider=PROVIDERS[provider],
        proven=proof(path, few, provider),
        bytes=sizes,
        speed=speeds,
        goals=[str(goal) for goal in goals],
        failed=failures(goals, measures(percent, errors, sizes, speeds)),
    )


def accuracy(opened: Any, data: Data, batch_size: int = 128) -> float:
    """Percent of the validation images that a session classifies right."""
    right = total = 0
    for images, labels in data.batches("val", batch_size):
        logits = run(opened, images.numpy())
        if logits.shape != (len(images), len(data.classes)):
            raise CctError(f"the model answers {logits.shape[1:]}; {data.name} has {len(data.classes)} classes")
        right += int((logits.argmax(1) == labels.numpy()).sum())
        total += len(labels)
    return 100 * right / total


def measure(dense: Path | None, packed: Path, provider: str = "cpu", rounds: int = 20) -> list[Speed]:
    """Packed against dense in one run, with one thread and with as many as there are cores."""
    models = {"packed": packed} if dense is None else {"dense": dense, "packed": packed}
    speed = []
    for threads in sorted({1, cores()}):
        times = compare(models, threads=threads, provider=provider, rounds=rounds)
        ours, other = times["packed"], times["dense"].median if dense else None
        speed.append(Speed(threads, other, ours.median, ours.low, ours.high, ours.runs))
    return speed


def measures(
    accuracy: Mapping[str, float], parity: Mapping[str, float], sizes: Mapping[str, int], speed: Sequence[Speed]
) -> list[Measure]:
    """The figures of a verdict or report as goals take them."""
    dense = sizes["dense"] / 1e6 if "dense" in sizes else None
    return [
        Measure("accuracy", accuracy["compressed"], accuracy.get("baseline")),
        Measure("size", sizes["packed"] / 1e6, dense),
        *(Measure("parity", error, where=f"against {leg}") for leg, error in parity.items()),
        *(Measure("latency", s.packed, s.dense, f"{s.threads} thread{'s' * (s.threads > 1)}") for s in speed),
    ]


def _baseline(baseline: ModelSource, images: Data, path: Path) -> tuple[float, Path]:
    """Accuracy of the baseline in percent, and its ONNX file: itself, or a dense export at `path`."""
    from cct.baseline import baseline_accuracy, check_chance
    from cct.checkpoint import load_model
    from cct.exporter import export

    if is_onnx(baseline.path):
        read_model(baseline.path)
        percent = accuracy(session(baseline.path), images)
        check_chance(percent, images)
        return percent, baseline.path
    loaded = load_model(baseline)
    percent = baseline_accuracy(loaded.module, images, loaded.classes)
    export(loaded.module, images.example(), path, pack=False)
    return percent, path


def _scale(path: Path, opened: Any) -> dict[str, Any]:
    """Mean, std, size and channels that the file was made for, as `load_data` takes them."""
    stated = opened.get_modelmeta().custom_metadata_map
    found: dict[str, Any] = {}
    for name in ("mean", "std"):
        if f"cct.{name}" in stated:
            try:
                found[name] = [float(v) for v in stated[f"cct.{name}"].split()]
            except ValueError as error:
                raise CctError(f"{path}: cct.{name} is {stated[f'cct.{name}']!r}, not numbers") from error
    shape = image_input(opened).shape
    if len(shape) == 4 and all(isinstance(side, int) for side in shape[1:]):
        found |= {"channels": shape[1], "size": (shape[2], shape[3])}
    return found
