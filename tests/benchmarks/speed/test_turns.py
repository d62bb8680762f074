import pytest

from benchmarks.engines.process import EngineError
from benchmarks.speed.turns import FEWEST_ROUNDS, LONG_SECONDS, take_turns, timed_runs


class Engine:
    """Notes its turns; fails at a given one."""

    def __init__(self, name, journal, seconds=0.002, fails_at=None):
        self.name, self.journal, self.seconds, self.fails_at = name, journal, seconds, fails_at

    def ask(self, request, runs):
        assert request == "turn"
        self.journal.append(self.name)
        if self.journal.count(self.name) == self.fails_at:
            raise EngineError("it broke")
        return {"seconds": [self.seconds] * runs, "cpu": [self.seconds / 2] * runs, "waited": 0.0}


def test_order_goes_there_and_back():
    journal = []
    engines = {name: Engine(name, journal) for name in "abc"}
    taken = take_turns(engines, {"a": 3, "b": 1, "c": 2}, rounds=3, limit=10)
    assert "".join(journal) == "abccbaabc"
    assert [len(taken[name].wall) for name in "abc"] == [9, 3, 6]
    assert [len(turn.cpu) for turn in taken["a"].taken] == [3, 3, 3]
    assert taken["a"].cores_used == pytest.approx(0.5)
    assert taken["a"].wall[0] == pytest.approx(2)


def test_limit_leaves_the_first_rounds():
    journal = []
    take_turns({"a": Engine("a", journal)}, {"a": 1}, rounds=50, limit=0)
    assert len(journal) == FEWEST_ROUNDS


def test_an_engine_that_fails_leaves_the_round():
    journal = []
    engines = {"a": Engine("a", journal), "b": Engine("b", journal, fails_at=2)}
    taken = take_turns(engines, {"a": 1, "b": 1}, rounds=4, limit=10)
    assert "".join(journal) == "abbaaa"
    assert taken["b"].error == "it broke"
    assert not taken["a"].error


def test_turns_are_of_equal_length():
    assert timed_runs({"slow": 0.1, "quick": 0.01}) == {"slow": 2, "quick": 20}
    assert timed_runs({"slow": 2 * LONG_SECONDS, "quick": LONG_SECONDS}) == {"slow": 1, "quick": 2}
    assert timed_runs({"only": 0.0001}) == {"only": 50}
