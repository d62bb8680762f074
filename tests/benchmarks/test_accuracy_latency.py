import accuracy_latency
import pytest
import torch
from accuracy_rows import Row
from accuracy_runs import about, file_of
from accuracy_table import speedup

from cct.exporter import export
from cct.models import digits_net

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def groups(monkeypatch):
    dense, pruned = Row("dense", {"compression": 1.0}, seeds=(0, 1)), Row("4x", {"compression": 4.0})
    monkeypatch.setattr("accuracy_latency.COMPARABLE", ("of each",))
    monkeypatch.setattr("accuracy_latency.GROUPS", {"of each": [dense, pruned], "not timed": [Row("other")]})
    return dense, pruned


def results(*runs):
    return [about(row) | {"recipe": row.recipe(seed).to_toml(), "seed": seed} for row, seed in runs]


def test_the_files_of_the_lowest_seeds_are_timed(groups, tmp_path):
    dense, pruned = groups
    for row, seed in ((dense, 0), (pruned, 0)):
        export(digits_net(), torch.zeros(1, 1, 32, 32), file_of(tmp_path, row.name, seed, "onnx"), pack=False)
    file_of(tmp_path, "dense", 1, "onnx").write_text("not read")
    file_of(tmp_path, "other", 0, "onnx").write_text("not read")
    times = accuracy_latency.measure(results((dense, 1), (dense, 0), (pruned, 0), (Row("other"), 0)), tmp_path, 3)
    assert {name: set(ms) for name, ms in times["ms"].items()} == {"dense": {"1", "2"}, "4x": {"1", "2"}}
    assert all(figure > 0 for ms in times["ms"].values() for figure in ms.values())
    assert speedup(pruned, times) == times["ms"]["dense"]["1"] / times["ms"]["4x"]["1"]


def test_what_has_no_file_here_is_not_timed(groups, tmp_path):
    dense, pruned = groups
    export(digits_net(), torch.zeros(1, 1, 32, 32), file_of(tmp_path, "dense", 0, "onnx"), pack=False)
    assert set(accuracy_latency.measure(results((dense, 0), (pruned, 0)), tmp_path, 3)["ms"]) == {"dense"}
    assert accuracy_latency.measure([], tmp_path, 3)["ms"] == {}
