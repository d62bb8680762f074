"""What each packed layer costs within its network, and what it costs dense."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cct.measure.profile import node_times
from cct.operator.read_model import read_model
from cct.operator.spec import NAME
from cct.report.node_time import NodeTime, Shapes
from cct.runtime.random_feeds import random_feeds

_PASSES = 3  # over all files in turn: what disturbs the machine for a while spoils one pass, and only adds
_RUNS = 8  # timed ones of a pass


@dataclass(frozen=True)
class LayerTime:
    """One layer, both ways.

    Attributes:
        threads: within an operator.
        packed: milliseconds as PatternConv, with the layout reorders that ONNX Runtime puts around it.
        dense: milliseconds as dense convolution among dense ones.
    """

    threads: int
    packed: float
    dense: float

    @property
    def ratio(self) -> float:
        """How many times faster the layer is packed."""
        return self.dense / self.packed if self.packed else float("inf")


def layer_times(packed: Path, dense: Path, threads: int) -> dict[str, LayerTime]:
    """Time the layers of two files of one network in ONNX Runtime's profile, one image, in turns.

    Args:
        packed: the ONNX file with PatternConv.
        dense: the same network without.
        threads: within an operator.

    Returns:
        Every layer that is packed in the one and found dense in the other.
    """
    ours, theirs = _in_turns([(packed, with_reorders), (dense, _convolutions)], threads)
    return {name: LayerTime(threads, ours[name], theirs[name]) for name in ours if name in theirs}


def packed_times(files: Sequence[Path], threads: int) -> list[dict[str, float]]:
    """Time the packed layers of several files of one network likewise, all in turns.

    Args:
        files: ONNX files with PatternConv.
        threads: within an operator.

    Returns:
        For each file, the milliseconds of each layer that is packed in it, as `LayerTime.packed` counts them.
    """
    return _in_turns([(path, with_reorders) for path in files], threads)


def _in_turns(
    files: Sequence[tuple[Path, Callable[[Sequence[NodeTime]], dict[str, float]]]], threads: int
) -> list[dict[str, float]]:
    """The least of several passes over all files, each of which is the 5th percentile of its runs.

    Args:
        files: each with what tells milliseconds by layer from the nodes that ran.
        threads: within an operator.
    """
    models = [read_model(path) for path, _ in files]
    taken = [defaultdict[str, list[float]](list) for _ in files]
    for _ in range(_PASSES):
        for (path, by_layer), model, times in zip(files, models, taken, strict=True):
            for name, milliseconds in by_layer(node_times(path, model, _use, "cpu", threads)).items():
                times[name].append(milliseconds)
    return [{name: min(passes) for name, passes in times.items()} for times in taken]


def with_reorders(nodes: Sequence[NodeTime]) -> dict[str, float]:
    """Milliseconds of each PatternConv, those of the layout reorders around it included.

    ONNX Runtime computes dense convolutions in a blocked layout and a custom operator in the plain one. To the plain
    layout it reorders for a PatternConv that comes later, to the blocked one what a PatternConv before has computed.
    Of several, it is the nearest one with an input or output of that shape.

    Args:
        nodes: of the packed model, in the order in which they ran.
    """
    times: dict[str, float] = defaultdict(float)
    for place, node in enumerate(nodes):
        payer: NodeTime | None = node
        if node.op == "ReorderOutput":
            later = [n for n in nodes[place:] if n.op == NAME]
            payer = _nearest(later, [n.takes for n in later], node.gives)
        elif node.op == "ReorderInput":
            before = [n for n in reversed(nodes[:place]) if n.op == NAME]
            payer = _nearest(before, [n.gives for n in before], node.takes)
        elif node.op != NAME:
            continue
        if payer is not None:
            times[payer.name] += node.milliseconds
    return dict(times)


def _nearest(nodes: Sequence[NodeTime], shapes: Iterable[Shapes], wanted: Shapes) -> NodeTime | None:
    """The first node that has a wanted shape; the first of all if none has, since pooling lies between."""
    fitting = (node for node, has in zip(nodes, shapes, strict=True) if set(wanted) & set(has))
    return next(fitting, nodes[0] if nodes else None)


def _convolutions(nodes: Iterable[NodeTime]) -> dict[str, float]:
    times: dict[str, float] = defaultdict(float)
    for node in nodes:
        times[node.name] += node.milliseconds
    return dict(times)


def _use(opened: Any) -> None:
    feeds = random_feeds(opened, 1, 0)
    for _ in range(1 + _RUNS):
        opened.run(None, feeds)
