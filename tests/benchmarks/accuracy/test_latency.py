import pytest
import torch

from benchmarks.accuracy import latency
from benchmarks.accuracy.rows import Row
from benchmarks.accuracy.runs import about, file_of
from cct.exporter.export import export
from cct.measure.interleaved import compare
from cct.models import digits_net

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def rows(monkeypatch):
    """In two tables of one network, of another network, and in a table that is not timed."""
    dense, pruned = Row("dense", {"compression": 1.0}, seeds=(0, 1)), Row("4x", {"compression": 4.0})
    tables = {"one": [dense], "two": [pruned], "larger": [Row("vgg", network="vgg11")], "not timed": [Row("other")]}
    monkeypatch.setattr("benchmarks.accuracy.latency.COMPARABLE", ("one", "two", "larger"))
    monkeypatch.setattr("benchmarks.accuracy.latency.GROUPS", tables)
    return [row for table in tables.values() for row in table]


@pytest.fixture
def turns(monkeypatch):
    """The files that took turns, and their threads."""
    seen = []

    def watched(files, *, threads, rounds):
        seen.append((sorted(files), threads))
        return compare(files, threads=threads, rounds=rounds)

    monkeypatch.setattr("benchmarks.accuracy.latency.compare", watched)
    return seen


def results(*runs):
    return [about(row) | {"recipe": row.recipe(seed).to_toml(), "seed": seed} for row, seed in runs]


def leave(folder, row):
    export(digits_net(), torch.zeros(1, 1, 32, 32), file_of(folder, row.name, 0, "onnx"), pack=False)


def test_the_files_of_a_network_take_turns_whatever_their_table(rows, turns, tmp_path):
    for row in rows[:3]:
        leave(tmp_path, row)
    file_of(tmp_path, "dense", 1, "onnx").write_text("not read: of a higher seed")
    file_of(tmp_path, "other", 0, "onnx").write_text("not read")
    times = latency.measure(results((rows[0], 1), *((row, 0) for row in rows)), tmp_path, 3)
    assert turns == [(["4x", "dense"], 1), (["4x", "dense"], 2), (["vgg"], 1), (["vgg"], 2)]
    assert {name: set(ms) for name, ms in times["ms"].items()} == {name: {"1", "2"} for name in ("dense", "4x", "vgg")}
    assert all(figure > 0 for ms in times["ms"].values() for figure in ms.values())


def test_what_has_no_file_here_is_not_timed(rows, turns, tmp_path):
    leave(tmp_path, rows[0])
    assert set(latency.measure(results((rows[0], 0), (rows[1], 0)), tmp_path, 3)["ms"]) == {"dense"}
    assert latency.measure([], tmp_path, 3)["ms"] == {}
