from __future__ import annotations

import json

import pytest

from cct.report import Layer, Report, Speed


@pytest.fixture
def report() -> Report:
    layers = [
        Layer("stem", "Conv", (4, 1, 3, 3), 36, 36, 3600, reason="only 0% of its weights are zero"),
        Layer("body", "PatternConv", (4, 4, 3, 3), 144, 36, 14400, 36, 300, (4, 1), 8, 4),
    ]
    return Report(
        source={"file": "m.pt", "sha256": "0", "arch": "net"},
        data={"name": "digits", "train": 10, "val": 5},
        recipe={"compression": 4.0},
        accuracy={"baseline": 99.0, "compressed": 98.5},
        layers=layers,
        prunable=["body"],
        parity={"body": 1e-7},
        provider="CPUExecutionProvider",
        proven=1,
        bytes={"dense": 2000, "packed": 500},
        speed=[Speed(1, 4.0, 1.0, 0.9, 1.1, 40)],
        machine="a machine",
        seconds=12.0,
    )


def test_compression_counts_what_it_says(report):
    assert report.compression() == {
        "prunable": 4.0,
        "convolutions": 2.5,  # 180 / 72
        "file": 4.0,
        "macs": 2.5,  # 18000 / 7200
    }


def test_drop_is_in_points(report):
    assert report.drop == 0.5


def test_json_holds_every_figure(report):
    read = json.loads(report.to_json())
    assert (read["cct_report"], read["drop"], read["ratios"]) == (1, 0.5, [4.0])
    assert read["layers"][1]["block"] == [4, 1]


def test_text_never_calls_multiply_adds_speed(report):
    lines = report.to_text().splitlines()
    speed = next(line for line in lines if line.startswith("speed"))
    assert "4.00 ms dense -> 1.00 ms: 4.00x" in speed
    assert not [line for line in lines if "multiply" in line and line.startswith("speed")]
    assert any("dense: only 0%" in line for line in lines)


def test_a_failed_gate_is_told(report):
    report.failed = ["accuracy dropped"]
    assert "FAILED       accuracy dropped" in report.to_text()
