import json
import math
import subprocess
import sys

from benchmarks.accuracy import runs
from benchmarks.accuracy.peers import PEERS
from benchmarks.accuracy.rows import BY_NAME, ROWS, Row
from benchmarks.accuracy.runs import about, file_of, missing, of
from benchmarks.accuracy.table import accuracy, needed, speedup, table


def result(row, seed, accuracy):
    recipe = row.recipe(seed).to_toml()
    return about(row) | {
        "recipe": recipe,
        "seed": seed,
        "accuracy": accuracy,
        "compression": 4.0,
        "bytes": 1000,
        "seconds": 60,
    }


def test_rows_have_names_and_recipes_of_their_own():
    assert len(BY_NAME) == len(ROWS)
    assert len({json.dumps(about(row) | {"row": "", "recipe": row.recipe(0).to_toml()}) for row in ROWS}) == len(ROWS)
    assert len({file_of(runs.Path(), row.name, 0, "pth") for row in ROWS}) == len(ROWS)
    for row in ROWS:
        for other in (row.start, row.teacher):
            assert other in ("", "random", *BY_NAME)
        assert row.method in ("cct", *PEERS)


def test_what_is_done_or_under_way_is_not_missing(tmp_path):
    row, results = Row("a", seeds=(0, 1, 2)), tmp_path / "results.jsonl"
    results.write_text(json.dumps(result(row, 0, 90.0)) + "\n")
    lock = file_of(tmp_path, row.name, 1, "lock")
    hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline()
        assert next(missing([row], (), results, tmp_path))[1] == 2
        other.communicate(b"\n")
    assert next(missing([row], (), results, tmp_path))[1] == 1
    assert next(missing([row], (2,), results, tmp_path))[1] == 2
    changed = Row("a", {"compression": 3.0}, seeds=(0,))
    assert next(missing([changed], (), results, tmp_path))[1] == 0


def test_a_row_waits_for_its_start_and_its_teacher(tmp_path, monkeypatch):
    first, second = Row("first"), Row("second", start="first", teacher="first")
    monkeypatch.setattr("benchmarks.accuracy.runs.BY_NAME", {"first": first, "second": second})
    results = tmp_path / "results.jsonl"
    file_of(tmp_path, "first", 0, "pth").touch()  # of an older recipe

    def order():
        for row, seed in missing([second, first], (), results, tmp_path):
            yield row.name
            file_of(tmp_path, row.name, seed, "pth").touch()
            with results.open("a") as file:
                file.write(json.dumps(result(row, seed, 90.0)) + "\n")

    assert list(order()) == ["first", "second"]
    assert list(order()) == []
    file_of(tmp_path, "second", 0, "pth").unlink()  # for which nobody waits
    assert list(order()) == []
    file_of(tmp_path, "first", 0, "pth").unlink()  # as in a fresh clone, where results are and weights are not
    assert list(order()) == ["first"]


def test_drops_are_against_the_better_dense_row(monkeypatch):
    dense, distilled = (
        Row("dense", {"compression": 1.0}, seeds=(0, 1)),
        Row("b", {"compression": 1.0, "distillation": 0.9}),
    )
    pruned = Row("4x", {"compression": 4.0}, start="dense", teacher="dense")
    monkeypatch.setattr("benchmarks.accuracy.table.BY_NAME", {"dense": dense})
    results = [result(dense, 0, 90.0), result(dense, 1, 91.0), result(distilled, 0, 90.6), result(pruned, 0, 89.0)]
    results.append(result(pruned, 0, 89.5))  # run again
    results.append(result(Row("4x", {"compression": 4.0, "momentum": 0.5}), 0, 10.0))  # of another recipe
    times = {"ms": {"dense": {"1": 3.0, "2": 2.0}, "4x": {"1": 1.0, "2": 1.0}}}
    lines = table([dense, distilled, pruned], results, times).splitlines()
    assert lines[0].count("|") == lines[1].count("|") == lines[2].count("|")
    assert lines[2].startswith("| dense | 90.50 | 90.00, 91.00 |  |")
    assert lines[-1] == "| 4x | 89.50 | 0 | 1.10 | 4.00 | 24 | 2.0 | 1 | 3.00x | 2.00x |"
    assert accuracy(dense, results) == 90.5
    assert speedup(Row("absent"), times) is None
    of_two = {"ms": times["ms"] | {"VGG-11 dense": {"1": 30.0}, "vgg 8x": {"1": 5.0}}}
    assert speedup(Row("vgg 8x", network="vgg11"), of_two) == 6
    assert math.isnan(needed(Row("not run", start="dense"), results)[1])
    old = result(dense, 0, 90.0)
    old["recipe"] += "\nknob_of_old = 1"
    assert not of(dense, 0, old)
