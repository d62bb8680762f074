"""Figures as goals take them."""

from __future__ import annotations

from cct.gate.goals import Measure
from cct.gate.metrics import METRICS
from cct.report.figures import Figures
from cct.report.timing import Ratio, Speed, Timing

FAST, SLOW = (Timing("cpu", ms, ms, ms, ms, 0.0, 40) for ms in (1.0, 4.0))


def figures(**changes: object) -> Figures:
    values = {
        "accuracy": {"compressed": 98.5, "baseline": 99.0},
        "not_finite": 0,
        "parity": {"body": 1e-7, "torch": 1e-6},
        "parity_images": 5,
        "provider": "CPUExecutionProvider",
        "proven": 1,
        "bytes": {"packed": 500_000, "dense": 2_000_000},
        "speed": [Speed(1, SLOW, FAST, Ratio.of(4.0, 3.9, 4.1))],
    }
    return Figures(**{**values, **changes})


def test_every_metric_has_its_figures() -> None:
    measures = figures().measures()
    assert {measure.metric for measure in measures} == set(METRICS)
    assert Measure("accuracy", 98.5, 99.0) in measures
    assert Measure("size", 0.5, 2.0) in measures
    assert [measure.where for measure in measures if measure.metric == "parity"] == ["against body", "against torch"]
    (latency,) = (measure for measure in measures if measure.metric == "latency")
    assert (latency.value, latency.baseline, latency.where) == (1.0, 4.0, "1 thread")
    assert all((measure.baseline is not None) == METRICS[measure.metric].has_baseline for measure in measures)


def test_without_a_baseline_there_is_nothing_to_compare_with() -> None:
    alone = figures(accuracy={"compressed": 98.5}, bytes={"packed": 500_000}, speed=[Speed(1, None, FAST, None)])
    assert all(measure.baseline is None for measure in alone.measures())
