"""Ratios from turns that are made up: what the clock would have shown, quiet and busy."""

from __future__ import annotations

import numpy as np
import pytest

from cct.measure.clock import Turn, take_turn
from cct.measure.ratio import compare_turns


def turns(ms: float, count: int = 20, runs: int = 5, noise: float = 0.01, waited: float | None = 0.0, seed: int = 0):
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
    assert 2.95 < ratio.low <= ratio.value <= ratio.high < 3.05
    assert found.models["dense"].ms == pytest.approx(3, rel=0.01)
    assert not found.doubt


def test_interruptions_do_not_reach_the_ratio_of_one_thread():
    """The wall clock of medians would say nearly twice as much: long runs are interrupted, short ones are not."""
    dense, packed = interrupted(turns(2.3), 4.0), interrupted(turns(0.9, seed=1), 4.0, seed=1)
    medians = [float(np.median([w for turn in taken for w in turn.wall])) for taken in (dense, packed)]
    assert medians[0] / medians[1] > 1.5 * 2.3 / 0.9
    ratio = compare_turns({"dense": dense, "packed": packed}, 1, "cpu").ratios["packed"]
    assert ratio.figure == pytest.approx(2.3 / 0.9, rel=0.01)


def test_threads_that_wait_for_a_core_have_no_figure():
    waited = 0.2 * 5 * 3.0 * 2
    found = compare_turns({"dense": turns(3.0, waited=waited), "packed": turns(1.0)}, 2, "wall")
    assert found.ratios["packed"].figure is None
    assert "threads waited" in found.doubt
    assert found.ratios["packed"].value == pytest.approx(3, rel=0.02)  # what was seen stays
    one = compare_turns({"dense": turns(3.0, waited=waited), "packed": turns(1.0)}, 1, "cpu")
    assert one.ratios["packed"].figure


def test_a_spread_that_is_larger_than_the_effect_is_no_figure():
    rng = np.random.default_rng(3)
    loud = [Turn(t.cpu, t.wall, 0.0) for scale in rng.uniform(1, 2, 20) for t in turns(1.0 * scale, count=1)]
    found = compare_turns({"dense": loud[::-1], "packed": loud}, 2, "wall")
    assert "anywhere from" in found.ratios["packed"].doubt
    assert found.ratios["packed"].figure is None


def test_where_the_system_does_not_say_who_waited():
    found = compare_turns({"dense": turns(3.0, waited=None), "packed": turns(1.0, waited=None)}, 2, "wall")
    assert found.models["dense"].waited is None
    assert found.ratios["packed"].figure


def test_a_run_below_the_clock_is_no_figure():
    none = [Turn((0.0, 0.0), (0.0, 0.0), 0.0)] * 20
    assert "clock" in compare_turns({"dense": turns(1.0), "packed": none}, 1, "cpu").ratios["packed"].doubt


def test_a_turn_lasts_as_long_as_it_is_told():
    calls = []
    turn = take_turn(lambda: calls.append(1), 5)
    assert len(calls) == len(turn.cpu) == len(turn.wall) > 2
    assert sum(turn.wall) >= 5
    assert len(take_turn(lambda: None, 0, fewest=3).wall) == 3
