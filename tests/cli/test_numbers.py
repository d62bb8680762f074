"""Numbers on the command line: digits 0 to 9, finite, and within what they can mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cct.cli.main import cli
from cct.cli.numbers import Real, Whole, number, whole
from cct.cli.types import Block, CountOrAll, Counts, Limit, Numbers, Size

NONE = ("４", "٤", "1_0", "0x10", "", " ", "one", "1e", "nan", "NaN", "+", "--1", "1 0", "९.५")
TYPES = (Whole(0), Real(0), Block(), Size(), Counts(), CountOrAll(), Numbers(), Limit())


@pytest.mark.parametrize("text", NONE)
@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: type(kind).__name__)
def test_what_is_no_number(kind: Any, text: str) -> None:
    for value in (text, f"{text}x4", f"4,{text}"):
        with pytest.raises(click.BadParameter):
            kind.convert(value, None, None)


@pytest.mark.parametrize("text", ["inf", "-inf", "1e400", "9" * 400, "1e99999"])
@pytest.mark.parametrize("kind", [Real(0), Limit(), Numbers()], ids=lambda kind: type(kind).__name__)
def test_what_is_not_finite(kind: Any, text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


def test_what_is_one() -> None:
    assert [whole(text) for text in ("0", "-3", "+7", "0012")] == [0, -3, 7, 12]
    assert [number(text) for text in ("0", "-3", ".5", "5.", "1e-3", "+1.5E+2")] == [0, -3, 0.5, 5, 1e-3, 150]
    assert Whole(1, 3).convert("3", None, None) == 3
    assert Real(0, 1).convert("1e-3", None, None) == 1e-3
    assert Numbers().convert("0.5, 1", None, None) == (0.5, 1)
    for kind, text in ((Whole(1, 3), "4"), (Real(0, 1), "1.5")):
        with pytest.raises(click.BadParameter, match="not in the range"):
            kind.convert(text, None, None)


@pytest.mark.parametrize(
    "given",
    [
        *(("--compression", text) for text in ("1e300", "0.5", "-1", "nan", "inf", "４", "1000001")),
        *(("--lr", text) for text in ("1e300", "0", "-1", "nan", "inf", "1e-300", "０.1")),
        *((option, text) for option in ("--epochs", "--batch-size", "--accumulate") for text in ("1e300", "-1", "４")),
        *((option, "9223372036854775807") for option in ("--epochs", "--batch-size", "--accumulate")),
        *(("--seed", text) for text in ("-1", "4.5", "４", "9" * 30)),
        *(("--distillation", text) for text in ("nan", "2", "-0.1")),
        *(("--threads", text) for text in ("0", "1025", "４", "9" * 5000)),
        *(("--block", text) for text in ("0x1", "70000x1", "４x1", "4x1x1", "x")),
        *(("--std", text) for text in ("1e-300", "1e300", "nan", "1,,1")),
        *(("--mean", text) for text in ("1e300", "inf")),
    ],
    ids=lambda given: " ".join(given)[:40],
)
def test_knobs_of_compress_beyond_what_they_can_mean(given: tuple[str, str], tmp_path: Path) -> None:
    """Refused before the model is read: this one is none."""
    (tmp_path / "m.pt").write_bytes(b"")
    outcome = CliRunner().invoke(cli, ["compress", str(tmp_path / "m.pt"), "--data", "digits", *given])
    assert outcome.exit_code != 0
    assert "empty" not in f"{outcome.output}{outcome.exception}", "the model was read first"
