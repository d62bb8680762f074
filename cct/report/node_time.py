"""`NodeTime`: one node of the graph that ONNX Runtime runs, and its time."""

from __future__ import annotations

from dataclasses import dataclass

Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class NodeTime:
    """One node of the graph that ONNX Runtime runs.

    Attributes:
        name: the layer that it was, for a convolution; else what ONNX Runtime calls it.
        op: operator, PatternConv for each of its names.
        provider: where it ran.
        milliseconds: of a run that little disturbs, as `cct.measure.ratio` has it.
        takes, gives: shapes of its inputs and outputs.
    """

    name: str
    op: str
    provider: str
    milliseconds: float
    takes: Shapes = ()
    gives: Shapes = ()
