"""A knob: everything about it follows from its line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cct.errors import RecipeError
from cct.recipe.knob import Range, Section, knob, knobs


@dataclass(frozen=True, kw_only=True)
class Some(Section):
    share: float = knob(0.5, Range(0, 1, open_high=True), "A share.", "--share")
    kind: str = knob("a", ("a", "b"), "A kind.")
    sides: tuple[int, ...] = knob((), Range(1, 9, "two sides"), "Sides.", items=int, length=2)
    names: tuple[str, ...] = knob((), None, "Names.", items=str)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": -1}, "share is -1.0: it must be 0 or more"),
        ({"share": 1}, "share is 1.0: it must be below 1"),
        ({"share": "much"}, "share is 'much': it must be a finite number"),
        ({"share": [0.5]}, "share is a list: it must be a finite number"),
        ({"kind": "c"}, "kind is 'c': choose one of a, b"),
        ({"sides": [1]}, "sides is (1,): it must be two sides"),
        ({"sides": [1, 10]}, "sides is (1, 10): it must be two sides"),
        ({"sides": 3}, "sides is 3: it must be a list"),
        ({"names": [1]}, "names is (1,): each part must be a text"),
    ],
)
def test_what_is_not_allowed(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Some(**wrong)
    assert str(caught.value) == message


def test_values_are_brought_to_the_type_of_the_default() -> None:
    some: Any = Some(share=0, sides=[1, 9], names=["x"])
    assert (some.share, some.sides, some.names) == (0.0, (1, 9), ("x",))
    assert type(some.share) is float


def test_the_documentation_names_what_is_allowed() -> None:
    texts = [knob.allowed_text() for knob in knobs(Some).values()]
    assert texts == ["0 or more, below 1", '"a", "b"', "two sides", "a text each"]


@pytest.mark.parametrize(("bounds", "text"), [(Range(1), "1 or more"), (Range(0, open_low=True), "above 0")])
def test_a_range_without_an_end(bounds: Range, text: str) -> None:
    assert str(bounds) == text
    assert bounds.fault(-1) == text
    assert bounds.fault(1e30) == ""


def test_the_page_of_all_knobs_is_up_to_date(tmp_path):
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, root / "scripts" / "write_knobs.py", tmp_path], check=True)
    assert (root / "docs" / "knobs.md").read_text() == (tmp_path / "knobs.md").read_text(), "scripts/write_knobs.py"
