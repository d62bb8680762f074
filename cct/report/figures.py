"""The figures that the report of compress and the verdict of validate share, and as goals take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cct.gate.goals import Measure
from cct.report.timing import Speed

_TWO = ("onnx.reference",)  # legs that see the first and the last image only


@dataclass(kw_only=True)
class Figures:
    """What is measured of an ONNX file.

    Attributes:
        accuracy: percent on the validation images: "compressed", of the file, and "baseline" if there is one.
        not_finite: validation images whose answer, by the file, holds NaN or infinity.
        parity: leg -> error of the library against it, as `cct.measure.parity` defines it.
        parity_images: that it was measured on.
        proven: PatternConv nodes seen running on `provider` in ONNX Runtime's profile.
        bytes: of the files: "packed", and "dense" if there is a baseline.
        speed: against the dense baseline, if there is one; empty if nobody asked.
    """

    accuracy: dict[str, float]
    not_finite: int
    parity: dict[str, float]
    parity_images: int
    provider: str
    proven: int
    bytes: dict[str, int]
    speed: list[Speed]

    def measures(self) -> list[Measure]:
        """The figures as goals take them."""
        dense = self.bytes["dense"] / 1e6 if "dense" in self.bytes else None
        return [
            Measure("accuracy", self.accuracy["compressed"], self.accuracy.get("baseline")),
            Measure("size", self.bytes["packed"] / 1e6, dense),
            *(Measure("parity", error, where=f"against {leg}") for leg, error in self.parity.items()),
            *(Measure("latency", s.packed.ms, s.dense.ms if s.dense else None, s.where, s.doubt) for s in self.speed),
        ]


def parity_line(errors: Mapping[str, float], images: int) -> str:
    """One line for a terminal."""
    legs = [f"{leg} {error:.1e}{f' ({min(2, images)})' if leg in _TWO else ''}" for leg, error in errors.items()]
    return f"parity       on {images} images, library against {', '.join(legs)}"


def proof_line(proven: int, provider: str) -> str:
    """Likewise: what the library was seen to run."""
    return f"proof        {proven} PatternConv ran on {provider}"


def finite_failure(count: int, images: int) -> list[str]:
    """The line of a file whose answers are not all finite; no goal is needed for that."""
    return [f"answers: NaN or infinity for {count} of {images} images (float16 ends at 65504)"] if count else []
