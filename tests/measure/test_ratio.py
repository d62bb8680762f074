"""Ratios from turns that are made up: what the clock would have shown, quiet and busy."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from cct.measure.clock import Turn, take_turn
from cct.measure.ratio import compare_turns


def turns(ms: float, count: int = 20, runs: int = 5, noise: float = 0.01, waited: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    cpu = ms * (1 + noise * np.abs(rng.standard_normal((count, runs))))
    return [Turn(tuple(row), tuple(row * 1.02), waited) for row in cpu]


def interrupted(taken: list[Turn], slice_ms: float, seed: int = 0) -> list[Turn]:
    """The same turns where another program takes the core now and then: the longer a run, the more often."""
    rng = np.random.default_rng(seed)
    return [
        Turn(
            turn.cpu,
            tuple(w + slice_ms * rng.poisson(c / slice_ms) for c, w in zip(turn.cpu, turn.wall, strict=True)),
            5.0,
        )
        for turn in taken
    ]


def test_a_quiet_machine_has_a_figure():
    found = compare_turns({"dense": turns(3.0), "packed": turns(1.0, seed=1)}, 1, "cpu")
    ratio = found.ratios["packed"]
    assert ratio.figure == pytest.approx(3, rel=0.01)
    assert 2.95 < ratio.low <= ratio.seen <= ratio.high < 3.05
    assert found.models["dense"].ms == pytest.approx(3, rel=0.01)
    assert not found.doubt


def test_interruptions_do_not_reach_the_ratio_of_one_thread():
    """The wall clock of medians would say nearly twice as much: long runs are interrupted, short ones are not."""
    dense, packed = interrupted(turns(2.3), 4.0), interrupted(turns(0.9, seed=1), 4.0, seed=1)
    medians = [float(np.median([w for turn in taken for w in turn.wall])) for taken in (dense, packed)]
    assert medians[0] / medians[1] > 1.5 * 2.3 / 0.9
    ratio = compare_turns({"dense": dense, "packed": packed}, 1, "cpu").ratios["packed"]
    assert ratio.figure == pytest.approx(2.3 / 0.9, rel=0.01)


WAITED = 0.2 * 5 * 3.0  # milliseconds of a turn in which a thread had no core


@pytest.mark.parametrize("threads", [1, 2])
def test_a_thread_that_waits_for_a_core_leaves_no_figure_on_the_wall(threads):
    """Also where one thread launches work for a GPU."""
    found = compare_turns({"dense": turns(3.0, waited=WAITED), "packed": turns(1.0)}, threads, "wall")
    assert found.ratios["packed"].figure is None
    assert "a thread waited 19%" in found.doubt
    assert found.ratios["packed"].seen == pytest.approx(3, rel=0.02)


def test_the_clock_of_one_thread_does_not_run_while_it_waits():
    found = compare_turns({"dense": turns(3.0, waited=WAITED), "packed": turns(1.0)}, 1, "cpu")
    assert found.ratios["packed"].figure == pytest.approx(3, rel=0.02)


def test_more_threads_than_cores_are_no_measurement():
    found = compare_turns({"dense": turns(3.0), "packed": turns(1.0)}, 4096, "wall")
    assert "4096 threads are more than the" in found.doubt


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_few_turns_are_no_measurement(count):
    found = compare_turns({"dense": turns(3.0, count), "packed": turns(1.0, count)}, 1, "cpu")
    assert found.ratios["packed"].figure is None
    assert "too few" in found.ratios["packed"].doubt


def test_each_model_has_its_own_doubt():
    loud = [turn for scale in [1.0] + [2.0] * 19 for turn in turns(scale, count=1)]  # was it lucky once?
    found = compare_turns({"dense": turns(3.0), "quiet": turns(1.0, seed=1), "loud": loud}, 1, "cpu")
    assert found.ratios["quiet"].figure
    assert found.ratios["loud"].figure is None


def test_a_spread_that_is_larger_than_the_effect_is_no_figure():
    rng = np.random.default_rng(3)
    loud = [Turn(t.cpu, t.wall, 0.0) for scale in rng.uniform(1, 2, 20) for t in turns(1.0 * scale, count=1)]
    found = compare_turns({"dense": loud[::-1], "packed": loud}, 2, "wall")
    assert "anywhere from" in found.ratios["packed"].doubt
    assert found.ratios["packed"].figure is None


def test_a_run_below_the_clock_is_no_figure():
    none = [Turn((0.0, 0.0), (0.0, 0.0), 0.0)] * 20
    for pair in ((turns(1.0), none), (none, turns(1.0)), (none, none)):
        found = compare_turns(dict(zip(("dense", "packed"), pair, strict=True)), 1, "cpu")
        assert "clock" in found.ratios["packed"].doubt
        assert found.ratios["packed"].inverse.figure is None
    assert "clock" in compare_turns({"packed": none}, 1, "cpu").doubt


def test_a_turn_lasts_as_long_as_it_is_told():
    calls = []
    turn = take_turn(lambda: calls.append(1), 5)
    assert len(calls) == len(turn.cpu) == len(turn.wall) >= 2
    assert sum(turn.wall) >= 5
    assert len(take_turn(lambda: None, 0, fewest=3).wall) == 3


def test_where_linux_does_not_count_the_calling_thread_tells_who_waited(monkeypatch):
    monkeypatch.setattr("cct.measure.clock._TASKS", Path("/nowhere"))
    assert take_turn(lambda: time.sleep(0.02), 0, fewest=2).waited > 20
    assert take_turn(lambda: None, 0, fewest=2).waited < 1
