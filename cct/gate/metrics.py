"""The metrics that goals are about: a row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_Check = Callable[[float], str]  # what is wrong with a limit, in words of its likely meaning; empty if nothing is


def _nothing(limit: float) -> str:
    return ""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: in goals.
        unit: of its values; empty for a plain number.
        higher_is_better: whether a threshold is the least value; else it is the most.
        has_baseline: whether the unpruned model has it too, to be compared with.
        needs_training: whether a network that is pruned and not trained tells nothing of it.
        threshold_fault: what is wrong with a threshold for this metric, before what is for all.
        change_fault: likewise with an improvement or degradation, in the unit or in percent, of 0 or more.
    """

    name: str
    unit: str
    higher_is_better: bool = False
    has_baseline: bool = True
    needs_training: bool = False
    threshold_fault: _Check = _nothing
    change_fault: _Check = _nothing


def _accuracy_threshold(limit: float) -> str:
    if 0 < limit <= 1:
        return f"accuracy is in percent: did you mean {100 * limit:g}?"
    return "" if 1 < limit <= 100 else "accuracy is in percent: the limit must be above 1 and at most 100"


def _accuracy_change(limit: float) -> str:
    never = "accuracy changes by less than 100 points or percent: nothing could fail, or reach, this"
    return never if limit >= 100 else ""


def _parity_threshold(limit: float) -> str:
    nonsense = "an error of 1 is an answer that has nothing to do with the other: the limit must be below 1"
    return nonsense if limit >= 1 else ""


_ROWS = (
    # percent of the validation images
    Metric(
        "accuracy",
        "%",
        higher_is_better=True,
        needs_training=True,
        threshold_fault=_accuracy_threshold,
        change_fault=_accuracy_change,
    ),
    # of one image, at every number of threads that is measured, as `cct.measure.ratio` has it
    Metric("latency", "ms"),
    # of the ONNX file, MB are 10^6 bytes, with what it keeps in other files
    Metric("size", "MB"),
    # as `cct.measure.parity` defines it, against every other way to run the model: an error has no baseline
    Metric("parity", "", has_baseline=False, threshold_fault=_parity_threshold),
)
METRICS = {metric.name: metric for metric in _ROWS}
