"""`Verdict`: what `cct validate` found, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from cct.report.figures import Figures, parity_line, proof_line
from cct.report.plain_json import as_json
from cct.report.timing import speed_line

VERSION = 2  # of the JSON


@dataclass(kw_only=True)
class Verdict(Figures):
    """What `cct validate` found.

    Attributes:
        images: that accuracy was measured on.
        goals: that were given.
        failed: goals that were not reached and checks that need no goal, a line each.
        notes: what makes the figures less than they seem, a line each.
    """

    images: int
    goals: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool | None:
        """Whether all is as it must be; None if nothing failed and no goal was given."""
        return False if self.failed else True if self.goals else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, versioned."""
        return {"cct_verdict": VERSION, **asdict(self), "passed": self.passed}

    def to_json(self) -> str:
        """For programs."""
        return as_json(self.as_dict())

    def to_text(self) -> str:
        """For a terminal."""
        lines = [f"accuracy     {name} {percent:.2f} %" for name, percent in self.accuracy.items()]
        lines[0] += f" of {self.images} images"
        lines += [parity_line(self.parity, self.parity_images)]
        lines += [proof_line(self.proven, self.provider)]
        lines += [f"file         {', '.join(f'{name} {size / 1e6:.2f} MB' for name, size in self.bytes.items())}"]
        lines += [speed_line(speed) for speed in self.speed]
        lines += [f"NOTE         {note}" for note in self.notes]
        verdict = [f"FAILED       {failure}" for failure in self.failed]
        return "\n".join([*lines, *(verdict or ["passed" if self.goals else "no goal given"])])
