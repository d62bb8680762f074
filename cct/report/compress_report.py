"""What was done to a model: one row a convolution, the figures over them, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from cct.messages import printable
from cct.recipe.target import Target
from cct.report.figures import Figures, parity_line, proof_line
from cct.report.layer import Layer, layer_table, times_smaller, weights_per_kept
from cct.report.plain_json import as_json
from cct.report.timing import speed_line

VERSION = 2  # of the JSON
_LONGEST = 20_000  # characters of the outputs' names


class Choice(Protocol):
    """What a stopwatch has decided: `cct.tuning` has several kinds."""

    def to_text(self) -> str:
        """For a terminal."""


@dataclass(kw_only=True)
class CompressReport(Figures):
    """Everything that `cct compress` knows of its result.

    Attributes:
        source: file name, sha256 and arch of what was given.
        data: name and number of images of the training and validation split.
        recipe: every knob.
        prunable: names of the layers that compression counts.
        seconds: of the training.
        failed: goals that were not reached, a line each.
        unknown: goals that only training can tell, in a dry run.
        dry_run: whether the model was pruned without training, to see what would go.
        block_auto: the block of each layer, by measured speed; None if nobody asked.
        keep_faster: the layers that measured speed keeps dense, and the others; None if nobody asked.
    """

    source: dict[str, str]
    data: dict[str, Any]
    recipe: dict[str, Any]
    layers: list[Layer]
    prunable: list[str]
    machine: str
    seconds: float
    failed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    dry_run: bool = False
    outputs: list[str] = field(default_factory=list)
    block_auto: Choice | None = None
    keep_faster: Choice | None = None

    @property
    def drop(self) -> float:
        """Accuracy lost, in points."""
        return self.accuracy["baseline"] - self.accuracy["compressed"]

    def compression(self) -> dict[str, float]:
        """Weights / kept weights over the prunable and over all convolutions, of the file, and in multiply-adds."""
        prunable = [layer for layer in self.layers if layer.name in set(self.prunable)]
        macs = sum(layer.macs for layer in self.layers)
        return {
            "prunable": weights_per_kept(prunable),
            "convolutions": weights_per_kept(self.layers),
            "file": times_smaller(self.bytes["dense"], self.bytes["packed"]),
            "macs": times_smaller(macs, sum(layer.macs * layer.density for layer in self.layers)),
        }

    def to_json(self) -> str:
        """The whole report, versioned, in a fixed order."""
        figures = {"drop": self.drop, "compression": self.compression()}
        return as_json({"cct_report": VERSION, **asdict(self), **figures}) + "\n"

    def to_text(self) -> str:
        """The report for a terminal."""
        c, dense, packed = self.compression(), self.bytes["dense"] / 1e6, self.bytes["packed"] / 1e6
        lines = [
            f"accuracy     {self.accuracy['baseline']:.2f} % -> {self.accuracy['compressed']:.2f} % "
            f"on {self.data['val']} images of {self.data['name']}: drop {self.drop:.2f} points",
            f"compression  {c['prunable']:.2f}x over {len(self.prunable)} prunable convolutions, "
            f"{c['convolutions']:.2f}x over all, {c['macs']:.2f}x in multiply-adds",
            f"file         {dense:.2f} MB dense -> {packed:.2f} MB: {c['file']:.2f}x",
            parity_line(self.parity, self.parity_images),
            proof_line(self.proven, self.provider),
        ]
        lines += self._target()
        lines += [speed_line(speed) for speed in self.speed]
        lines += [f"machine      {self.machine}", f"training     {self.seconds:.0f} s"]
        lines += [choice.to_text() for choice in (self.block_auto, self.keep_faster) if choice] or [""]
        lines += [layer_table(self.layers)]
        lines += [f"wrote        {printable(', '.join(self.outputs), _LONGEST)}"] if self.outputs else []
        lines += [f"UNKNOWN      {goal}: training decides" for goal in self.unknown]
        lines += [f"FAILED       {failure}" for failure in self.failed]
        if self.dry_run:
            lines.insert(0, "dry run      pruned at once: nothing is trained, no model is written")
        return "\n".join(lines)

    def _target(self) -> list[str]:
        """Where the file is to run, if not on a CPU, and what was measured instead."""
        target = self.recipe.get("target", "cpu")
        if target == "cpu":
            return []
        knobs = Target(**{name: self.recipe[name] for name in ("block", "weights", "activations")})
        return [f"target       {target}: {knobs}; the speed is this CPU's, see cct bench --provider {target}"]
