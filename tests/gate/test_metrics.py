"""A metric is a row: goals about a new one follow from it."""

from __future__ import annotations

import pytest

from cct.errors import RecipeError
from cct.gate.goals import Goal, Measure
from cct.gate.metrics import METRICS, Metric


@pytest.fixture
def two_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def low(limit: float) -> str:
        return "too low to mean anything" if limit < 10 else ""

    for metric in (
        Metric("throughput", "img/s", higher_is_better=True, threshold_fault=low),
        Metric("noise", "", has_baseline=False, change_fault=low),
    ):
        monkeypatch.setitem(METRICS, metric.name, metric)


@pytest.mark.usefixtures("two_more")
@pytest.mark.parametrize(
    ("text", "value", "passes"),
    [
        ("throughput:threshold=50", 50, True),
        ("throughput:threshold=50", 49, False),
        ("throughput:percent-min-improvement=100", 80, True),
        ("throughput:percent-min-improvement=100", 79, False),
        ("throughput:max-degradation=5", 35, True),
        ("throughput:max-degradation=5", 34, False),
        ("noise:threshold=2", 2, True),
        ("noise:threshold=2", 3, False),
    ],
)
def test_which_way_is_better(text: str, value: float, passes: bool) -> None:
    goal = Goal.parse(text)
    assert (goal.failure(Measure(goal.metric, value, 40.0)) is None) == passes


@pytest.mark.usefixtures("two_more")
def test_its_unit_and_its_own_checks() -> None:
    failure = Goal.parse("throughput:threshold=50").failure(Measure("throughput", 49))
    assert failure == "throughput:threshold=50: throughput is 49 img/s"
    with pytest.raises(RecipeError, match="too low to mean anything"):
        Goal.parse("throughput:threshold=9")
    with pytest.raises(RecipeError, match="noise has no 'max-degradation'; it has threshold"):
        Goal.parse("noise:max-degradation=10")
