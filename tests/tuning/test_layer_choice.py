from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cct.errors import StateError
from cct.tuning.choice_file import read_choice, write_choice
from cct.tuning.layer_choice import LayerChoice, LayerRow

CHOICE = LayerChoice(
    5.25,
    (
        LayerRow("features.1", "", 1, 0.25, 1.0),
        LayerRow("features.2", "packed, it would not be 5% faster", 2, 1.5, 1.25),
    ),
)


def test_text_shows_both_times_of_what_stays_dense() -> None:
    assert CHOICE.to_text().splitlines() == [
        "keep-faster  1 of 2 layers are packed, at compression 5.25",
        "",
        "stays dense  packed ms  dense ms  threads  because",
        "features.2       1.500     1.250        2  packed, it would not be 5% faster",
    ]


def test_a_written_choice_reads_as_it_was(tmp_path: Path) -> None:
    write_choice(CHOICE, tmp_path / "choice.json")
    assert read_choice(tmp_path / "choice.json", LayerChoice) == CHOICE


def layer(**changes: Any) -> dict[str, Any]:
    plain = {"name": "a", "reason": "", "threads": 1, "packed": 1.0, "dense": 1.0} | changes
    return {"compression": 4.0, "layers": [plain]}


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"compression": 4.0},
        {"compression": "4", "layers": []},
        {"compression": 0.5, "layers": []},
        {"compression": float("nan"), "layers": []},
        {"compression": 4.0, "layers": {}},
        {"compression": 4.0, "layers": ["a"]},
        {"compression": 4.0, "layers": [{"name": "a"}]},
        layer(name=1),
        layer(reason=None),
        layer(threads=True),
        layer(packed=float("inf")),
        layer(dense=10**400),
        layer(more=1),
    ],
    ids=lambda content: json.dumps(content)[:60],
)
def test_a_damaged_choice_is_one_line(tmp_path: Path, content: object) -> None:
    (tmp_path / "choice.json").write_text(json.dumps(content))
    with pytest.raises(StateError, match=r"it is missing or damaged: delete .* to start anew") as caught:
        read_choice(tmp_path / "choice.json", LayerChoice)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100000, b'{"compression": 4.0'])
def test_what_is_no_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "choice.json").write_bytes(content)
    with pytest.raises(StateError, match="damaged"):
        read_choice(tmp_path / "choice.json", LayerChoice)
    (tmp_path / "choice.json").unlink()
    with pytest.raises(StateError, match="missing"):
        read_choice(tmp_path / "choice.json", LayerChoice)
