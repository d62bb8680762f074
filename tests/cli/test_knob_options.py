"""Options that stand for knobs: all that click knows of them is the knob's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cct.cli.compress import compress
from cct.cli.knob_options import knob_options
from cct.recipe.knob import Range, Section, knob, knobs
from cct.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Some(Section):
    share: float = knob(0.5, Range(0, 1, open_high=True), "A share.", "--share")
    count: int = knob(3, Range(1, 9), "A count.", "--count N")
    kind: str = knob("a", ("a", "b"), "A kind.", "--kind")
    fast: bool = knob(True, None, "Whether it is fast.", "--fast")
    names: tuple[str, ...] = knob((), None, "Names.", "--name NAME", items=str)
    scale: tuple[float, ...] = knob((), None, "Scale.", "--scale", items=float)
    sides: tuple[int, ...] = knob((), None, "Sides.", "--sides", items=int)
    entries: int = knob(4, (4, 1), "Entries.", "--entries")
    silent: int = knob(0, None, "Without an option.")


def run(*given: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    @click.command()
    @knob_options(Some, kind={"help": "Another help."})
    def command(**values: Any) -> None:
        seen.update(values)

    outcome = CliRunner().invoke(command, given)
    return seen or {"": outcome.output}


def test_values_come_by_the_names_of_the_knobs() -> None:
    given = [
        "--share",
        "0.25",
        "--count",
        "4",
        "--kind",
        "b",
        "--no-fast",
        "--name",
        "x",
        "--name",
        "y",
        "--scale",
        "1,2",
        "--sides",
        "3,4",
        "--entries",
        "1",
    ]
    assert run(*given) == {
        "share": 0.25, "count": 4, "kind": "b", "fast": False, "names": ("x", "y"), "scale": (1.0, 2.0),
        "sides": (3, 4), "entries": 1,
    }  # fmt: skip


def test_what_is_not_given_is_left_to_the_recipe() -> None:
    values = run()
    assert set(map(type, values.values())) == {type(None), tuple}
    assert values["names"] == ()


@pytest.mark.parametrize(
    "given",
    [("--share", "1"), ("--share", "-1"), ("--count", "0"), ("--count", "10"), ("--kind", "c"), ("--silent", "1")],
)
def test_what_the_knob_does_not_allow(given: tuple[str, str]) -> None:
    assert "Error" in run(*given)[""]


def test_the_help_is_the_knobs() -> None:
    text = run("--help")[""]
    for words in ("A share.", "[0<=x<1]", "--count N", "[1<=x<=9]", "Another help.", "--name NAME"):
        assert words in text
    assert text.index("--share") < text.index("--count") < text.index("--scale")
    assert "A kind." not in text


def test_compress_has_every_option_of_a_knob() -> None:
    options = {option.name: option.opts for option in compress.params}
    wanted = {name: [own.option.split()[0]] for name, own in knobs(Recipe).items() if own.option}
    assert len(wanted) > 10
    assert wanted.items() <= options.items()


def test_a_list_of_whole_numbers_has_no_others() -> None:
    assert "'1.5' is no list of whole numbers" in run("--sides", "1.5")[""]
