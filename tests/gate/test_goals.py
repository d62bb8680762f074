"""Goals: the vocabulary, and who passes."""

from __future__ import annotations

import math

import pytest

from cct.errors import CctError, RecipeError
from cct.gate.goals import KINDS, Goal, Measure, failures
from cct.gate.metrics import METRICS


@pytest.mark.parametrize(
    ("text", "value", "baseline", "passes"),
    [
        ("accuracy:threshold=90", 90.0, None, True),
        ("accuracy:threshold=90", 89.9, None, False),
        ("accuracy:max-degradation=0.5", 89.5, 90.0, True),
        ("accuracy:max-degradation=0.5", 89.4, 90.0, False),
        ("accuracy:min-improvement=1", 91.0, 90.0, True),
        ("accuracy:min-improvement=1", 90.5, 90.0, False),
        ("accuracy:percent-max-degradation=10", 81.0, 90.0, True),
        ("accuracy:percent-max-degradation=10", 80.9, 90.0, False),
        ("latency:threshold=2", 2.0, None, True),
        ("latency:threshold=2.123456789", 2.1234568, None, False),
        ("latency:threshold=2", 2.1, None, False),
        ("latency:percent-min-improvement=50", 1.0, 2.0, True),
        ("latency:percent-min-improvement=50", 1.1, 2.0, False),
        ("latency:max-degradation=0", 2.0, 2.0, True),
        ("latency:max-degradation=0", 2.1, 2.0, False),
        ("size:min-improvement=0.5", 0.5, 1.0, True),
        ("size:min-improvement=0.5", 0.6, 1.0, False),
        ("parity:threshold=1e-4", 1e-4, None, True),
        ("parity:threshold=1e-4", 1.1e-4, None, False),
        ("parity:threshold=1e-4", math.nan, None, False),
        ("accuracy:max-degradation=0.5", math.nan, 90.0, False),
        ("latency:percent-min-improvement=10", 1.0, 0.0, False),
    ],
)
def test_a_goal_is_reached_or_not(text, value, baseline, passes):
    goal = Goal.parse(text)
    assert (goal.failure(Measure(goal.metric, value, baseline)) is None) == passes
    assert Goal.parse(str(goal)) == goal


def test_a_failure_names_goal_figures_and_place():
    goals = [Goal.parse("latency:percent-min-improvement=50"), Goal.parse("size:threshold=1")]
    measures = [
        Measure("latency", 1.0, 2.0, "1 thread"),
        Measure("latency", 1.5, 2.0, "2 threads"),
        Measure("size", 0.5),
    ]
    assert failures(goals, measures) == [
        "latency:percent-min-improvement=50: latency is 1.5 ms, the baseline's 2 ms (2 threads)"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy", "METRIC:KIND=LIMIT"),
        ("accuracy=1", "METRIC:KIND=LIMIT"),
        ("speed:threshold=1", "latency"),
        ("latency:faster=1", "percent-min-improvement"),
        ("parity:max-degradation=1", "threshold"),
        ("size:threshold=small", "small"),
        ("size:threshold=nan", "nan"),
        ("size:threshold=", "no number"),
    ],
)
def test_what_is_no_goal(text, message):
    with pytest.raises(RecipeError, match=message):
        Goal.parse(text)


@pytest.mark.parametrize(
    ("measures", "message"), [([], "no size was measured"), ([Measure("size", 0.5)], "needs --baseline")]
)
def test_without_a_measure_there_is_no_verdict(measures, message):
    with pytest.raises(CctError, match=message):
        failures([Goal.parse("size:percent-min-improvement=50")], measures)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy:threshold=0.98", "in percent: did you mean 98"),
        ("accuracy:threshold=1", "did you mean 100"),
        ("accuracy:threshold=0", "above 1 and at most 100"),
        ("accuracy:threshold=-5", "above 1 and at most 100"),
        ("accuracy:threshold=101", "above 1 and at most 100"),
        ("accuracy:max-degradation=-1", "write min-improvement=1"),
        ("accuracy:percent-max-degradation=100", "nothing could fail"),
        ("latency:threshold=0", "above 0"),
        ("latency:threshold=-1", "above 0"),
        ("latency:min-improvement=-1", "write max-degradation=1"),
        ("latency:percent-min-improvement=-50", "write percent-max-degradation=50"),
        ("latency:percent-min-improvement=100", "a model twice as fast is percent-min-improvement=50"),
        ("size:threshold=-0.1", "above 0"),
        ("parity:threshold=0", "above 0"),
        ("parity:threshold=1", "must be below 1"),
        ("accuracy:threshold=９８", "no number"),
        ("accuracy:threshold=9_8", "no number"),
        ("accuracy:threshold= 98", "no number"),
        ("accuracy:threshold=1e999", "no number"),
        ("accuracy:threshold=0x62", "no number"),
    ],
)
def test_a_goal_without_sense_is_refused(text, message):
    with pytest.raises(RecipeError, match=message):
        Goal.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "accuracy:threshold=90.5",
        "latency:max-degradation=0",
        "size:threshold=.5",
        "latency:percent-max-degradation=150",
        "parity:threshold=1E-4",
    ],
)
def test_a_goal_with_sense_is_taken(text):
    assert Goal.parse(text)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_reaches_no_goal(metric, value):
    goals = [Goal.parse(f"{metric}:threshold={'50' if metric == 'accuracy' else '0.5'}")]
    if METRICS[metric].has_baseline:
        goals += [Goal.parse(f"{metric}:{kind}=50") for kind in KINDS[1:]]
    for goal in goals:
        assert goal.failure(Measure(metric, value, 60.0))
        if goal.relative:
            assert goal.failure(Measure(metric, 60.0, value))


def test_what_was_not_measured_reaches_no_goal():
    failure = Goal.parse("latency:threshold=100").failure(Measure("latency", 1.0, None, "2 threads", "too busy"))
    assert failure == "latency:threshold=100: latency could not be measured (2 threads): too busy"
