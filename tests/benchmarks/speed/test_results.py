import pytest

from benchmarks.speed import results
from benchmarks.speed.results import (
    ceiling,
    fastest_peer,
    geometric_mean,
    merged,
    of_peak,
    over_peer,
    ratio,
    read,
    spread_of,
    time_of,
    write,
)


def row(**changed):
    times = {"cct": 2.0, "onnxruntime": 12.0, "openvino": 11.0, "deepsparse": 5.0}
    return {
        "group": "chains",
        "name": "64@56",
        "block": "4x1",
        "asked": 0.125,
        "batch": 1,
        "threads": 1,
        "gflop": 0.15,
        "peak": {"avx2": 90.0, "avx512": 100.0},
        "ms": {engine: {"median": time, "low": time, "high": time, "runs": 9} for engine, time in times.items()},
        **changed,
    }


def test_what_follows_from_a_row():
    assert ratio(row()) == 6
    assert fastest_peer(row()) == "deepsparse"
    assert over_peer(row()) == 2.5
    assert of_peak(row()) == pytest.approx(0.75)  # 75 of the better 100 GFLOP/s
    assert ceiling(row()) == pytest.approx(6 / 0.75)


def test_what_did_not_run_is_none():
    alone = row(ms={name: row()["ms"][name] for name in ("cct", "onnxruntime")}, peak={})
    assert fastest_peer(alone) is None
    assert over_peer(alone) is None
    assert of_peak(alone) is None
    assert ceiling(alone) is None
    assert ratio(alone, "openvino") is None


def test_geometric_mean_of_what_is_there():
    assert geometric_mean([2, None, 8]) == pytest.approx(4)
    assert geometric_mean([None]) is None


def test_a_part_replaces_its_rows(tmp_path):
    path = tmp_path / "results" / "speed.json"
    write(path, merged(read(path), "a machine", {"onnxruntime": "1"}, [row(), row(threads=2)]))
    results = merged(read(path), "a machine", {"openvino": "2"}, [row(gflop=0.2), row(name="128@28")])
    assert [(r["name"], r["threads"], r["gflop"]) for r in results["rows"]] == [
        ("64@56", 1, 0.2),
        ("64@56", 2, 0.15),
        ("128@28", 1, 0.15),
    ]
    assert results["versions"] == {"onnxruntime": "1", "openvino": "2"}
    write(path, results)
    assert read(path) == results
    assert len(path.read_text().splitlines()) < 20  # a row a line


def test_rows_of_another_machine_go(tmp_path):
    before = merged(read(tmp_path / "none"), "a machine", {"openvino": "2"}, [row()])
    after = merged(before, "another", {"onnxruntime": "1"}, [row(threads=2)])
    assert [r["threads"] for r in after["rows"]] == [2]
    assert after["versions"] == {"onnxruntime": "1"}


def test_another_version_is_refused(tmp_path):
    path = tmp_path / "speed.json"
    path.write_text(f'{{"version": {results.VERSION + 1}}}')
    with pytest.raises(ValueError, match="move it away"):
        read(path)


def test_rows_of_both_forms_are_read():
    old = row()
    both = row(ms=old["ms"] | {"cct": {"clock": "cpu", "ms": 3.0, "median": 3.1, "high": 3.3, "runs": 9}})
    assert (time_of(old, "cct"), time_of(both, "cct"), time_of(both, "none")) == (2.0, 3.0, None)
    assert ratio(both) == 4
    assert ratio(both | {"doubt": {"cct": "the machine is too busy"}}) is None
    assert spread_of(both, "cct") == pytest.approx(0.05)
