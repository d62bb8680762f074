"""The figures that the report of compress and the verdict of validate share: their text, and as goals take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cct.gate.goals import Measure
from cct.report.timing import Speed

_TWO = ("onnx.reference",)  # legs that see the first and the last image only


def parity_line(errors: Mapping[str, float], images: int) -> str:
    """One line for a terminal."""
    legs = [f"{leg} {error:.1e}{f' ({min(2, images)})' if leg in _TWO else ''}" for leg, error in errors.items()]
    return f"parity       on {images} images, library against {', '.join(legs)}"


def proof_line(proven: int, provider: str) -> str:
    """Likewise: what the library was seen to run."""
    return f"proof        {proven} PatternConv ran on {provider}"


def measures(
    accuracy: Mapping[str, float], parity: Mapping[str, float], sizes: Mapping[str, int], speed: Sequence[Speed]
) -> list[Measure]:
    """The figures as goals take them."""
    dense = sizes["dense"] / 1e6 if "dense" in sizes else None
    return [
        Measure("accuracy", accuracy["compressed"], accuracy.get("baseline")),
        Measure("size", sizes["packed"] / 1e6, dense),
        *(Measure("parity", error, where=f"against {leg}") for leg, error in parity.items()),
        *(Measure("latency", s.packed.ms, s.dense.ms if s.dense else None, s.where, s.doubt) for s in speed),
    ]


def finite_failure(count: int, images: int) -> list[str]:
    """The line of a file whose answers are not all finite; no goal is needed for that."""
    return [f"answers: NaN or infinity for {count} of {images} images (float16 ends at 65504)"] if count else []
