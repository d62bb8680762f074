from __future__ import annotations

import json

import pytest

from cct.report.compress_report import CompressReport
from cct.report.layer import Layer
from cct.report.timing import Ratio, Speed, Timing


def timing(ms: float) -> Timing:
    return Timing("cpu", ms, ms, ms, ms, 0.0, 40)


@pytest.fixture
def report() -> CompressReport:
    layers = [
        Layer("stem", "Conv", (4, 1, 3, 3), 36, 36, 3600, reason="only 0% of its weights are zero"),
        Layer("body", "PatternConv", (4, 4, 3, 3), 144, 36, 14400, 36, 300, (4, 1), 8, 4),
    ]
    return CompressReport(
        source={"file": "m.pt", "sha256": "0", "arch": "net"},
        data={"name": "digits", "train": 10, "val": 5},
        recipe={"compression": 4.0},
        accuracy={"baseline": 99.0, "compressed": 98.5},
        layers=layers,
        prunable=["body"],
        not_finite=0,
        parity={"body": 1e-7},
        parity_images=5,
        provider="CPUExecutionProvider",
        proven=1,
        bytes={"dense": 2000, "packed": 500},
        speed=[Speed(1, timing(4.0), timing(1.0), Ratio.of(4.0, 3.9, 4.1))],
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
    assert (read["cct_report"], read["drop"], read["speed"][0]["ratio"]["figure"]) == (2, 0.5, 4.0)
    assert read["layers"][1]["block"] == [4, 1]


def test_text_never_calls_multiply_adds_speed(report):
    lines = report.to_text().splitlines()
    speed = next(line for line in lines if line.startswith("speed"))
    assert "4.00 ms dense -> 1.00 ms: 4.00x (3.90 .. 4.10), CPU time" in speed
    assert not [line for line in lines if "multiply" in line and line.startswith("speed")]
    assert any("dense: only 0%" in line for line in lines)


def test_no_figure_is_told_with_what_was_seen(report):
    doubt = "the machine is too busy: a thread waited 60% of the time for a core"
    report.speed = [Speed(2, timing(4.0), timing(1.0), Ratio.of(4.0, 1.0, 9.0, doubt), doubt)]
    told = json.loads(report.to_json())["speed"][0]["ratio"]
    assert (told["figure"], told["seen"]) == (None, 4.0)
    line = next(line for line in report.to_text().splitlines() if line.startswith("speed"))
    assert "no figure, the machine is too busy: a thread waited 60%" in line
    assert "4.00x" not in line


def test_a_failed_gate_is_told(report):
    report.failed = ["accuracy dropped"]
    assert "FAILED       accuracy dropped" in report.to_text()
