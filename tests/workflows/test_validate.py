"""The gate: ways to make a bad file pass. Each must fail with a line, or be refused with one."""

from __future__ import annotations

import re

import pytest

from cct.errors import CctError
from cct.gate.goals import Goal
from cct.model_source import ModelSource
from cct.workflows.validate import validate
from tests.support.cheats import ACCURATE, CHEATS
from tests.support.forged_models import forged, inlined, metadata
from tests.support.process import MODEL

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", CHEATS)
def test_no_cheat_passes(name, compressed, tmp_path):
    cheat = CHEATS[name]
    path = forged(compressed, tmp_path, *cheat.forgeries)
    given = {"data": "digits"} | cheat.given(tmp_path, compressed)
    try:
        verdict = validate(path, goals=[Goal.parse(text) for text in cheat.goals], **given)
    except CctError as error:
        line = str(error)
    else:
        assert verdict.passed is False
        line = next((line for line in verdict.failed if re.search(cheat.said, line)), str(verdict.failed))
    assert re.search(cheat.said, line), line
    assert "\n" not in line


def test_there_are_enough_of_them():
    assert len(CHEATS) >= 40


def test_the_good_file_passes_what_they_fail(compressed, tmp_path):
    """With every goal and check that a cheat is given."""
    path = forged(compressed, tmp_path)
    goals = [
        Goal.parse(t) for t in (ACCURATE, "size:threshold=0.5", "accuracy:max-degradation=1", "size:max-degradation=1")
    ]
    given = {"pruned": ModelSource(compressed / "m.pt"), "baseline": ModelSource(MODEL)}
    verdict = validate(path, data="digits", goals=goals, require_packed=4, **given)
    assert verdict.failed == []
    assert verdict.passed
    assert verdict.notes == []
    assert verdict.parity_images == 64
    assert verdict.not_finite == 0


def test_each_is_fed_as_its_file_says_and_a_difference_is_told(compressed, tmp_path):
    path = forged(compressed, tmp_path, metadata(mean="0.4"))
    verdict = validate(path, data="digits", baseline=ModelSource(MODEL))
    assert verdict.accuracy["baseline"] == pytest.approx(98.99, abs=0.01)
    assert [note for note in verdict.notes if "mean 0.4" in note and "mean 0.3054" in note]
    both = validate(path, data="digits", baseline=ModelSource(MODEL), scale={"mean": (0.3054,), "std": (0.3239,)})
    assert both.notes == []
    assert both.accuracy["compressed"] > verdict.accuracy["compressed"] - 5


def test_a_file_without_the_library_says_so(compressed, tmp_path):
    verdict = validate(forged(compressed, tmp_path, inlined, metadata(packed="0")), data="digits")
    assert verdict.failed == []
    assert [note for note in verdict.notes if "nothing of cct's library" in note]
    assert "NOTE         the file has no PatternConv" in verdict.to_text()


def test_itself_as_the_baseline_is_told_where_nothing_is_compared(compressed, tmp_path):
    path = forged(compressed, tmp_path)
    verdict = validate(path, data="digits", baseline=ModelSource(path))
    assert "the baseline is the model itself: nothing is compared" in verdict.notes


def test_parity_on_all_images(compressed, tmp_path):
    verdict = validate(forged(compressed, tmp_path), data="digits", parity_images="all")
    assert verdict.parity_images == 596


def test_a_parity_goal_decides_about_other_weights(compressed, tmp_path):
    path = forged(compressed, tmp_path)
    close = validate(path, data="digits", pruned=ModelSource(MODEL), goals=[Goal.parse("parity:threshold=0.99")])
    assert not [line for line in close.failed if line.startswith("parity: ")]
