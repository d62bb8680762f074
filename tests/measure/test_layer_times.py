from __future__ import annotations

from pathlib import Path

import torch

from cct.exporter.export import export
from cct.measure.layer_times import layer_times, packed_times, with_reorders
from cct.models import MODELS
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.report.node_time import NodeTime

SMALL, LARGE = (1, 8, 4, 4), (1, 32, 4, 4)


def node(name: str, op: str, milliseconds: float, takes: tuple[int, ...], gives: tuple[int, ...]) -> NodeTime:
    return NodeTime(name, op, "CPUExecutionProvider", milliseconds, (takes,), (gives,))


def test_a_reorder_is_paid_by_the_pattern_convolution_that_needs_it() -> None:
    residual = NodeTime("b", "PatternConv", "CPUExecutionProvider", 2.0, (SMALL, LARGE), (LARGE,))
    nodes = [
        node("stem", "Conv", 9.0, SMALL, SMALL),
        node("shortcut", "Conv", 9.0, SMALL, LARGE),
        node("r1", "ReorderOutput", 0.5, LARGE, LARGE),  # for the residual of b, though a comes first
        node("r2", "ReorderOutput", 0.25, SMALL, SMALL),
        node("a", "PatternConv", 1.0, SMALL, SMALL),
        residual,
        node("r3", "ReorderInput", 0.125, LARGE, LARGE),
        node("dense", "Conv", 9.0, LARGE, LARGE),
        node("r4", "ReorderOutput", 7.0, LARGE, LARGE),  # for the classifier: nobody's
        node("head", "Gemm", 9.0, LARGE, LARGE),
    ]
    assert with_reorders(nodes) == {"a": 1.25, "b": 2.625}


def test_behind_a_pooling_no_shape_fits_and_the_nearest_pays() -> None:
    nodes = [
        node("a", "PatternConv", 1.0, LARGE, LARGE),
        node("pool", "MaxPool", 0.5, LARGE, (1, 32, 2, 2)),
        node("r", "ReorderInput", 0.25, (1, 32, 2, 2), (1, 32, 2, 2)),
        node("dense", "Conv", 9.0, LARGE, LARGE),
    ]
    assert with_reorders(nodes) == {"a": 1.25}


def test_a_layer_that_runs_twice_costs_twice() -> None:
    assert with_reorders([node("a", "PatternConv", 1.0, SMALL, SMALL)] * 2) == {"a": 2.0}


def test_every_packed_layer_is_found_both_ways(tmp_path: Path) -> None:
    module = MODELS["digits_net"]().eval()
    example = torch.zeros(1, 1, 32, 32)
    export(module, example, tmp_path / "dense.onnx", pack=False)
    ClickTrain(module, Recipe(grouping="none"), 0).finish()
    packed = [row.name for row in export(module, example, tmp_path / "packed.onnx") if row.op == "PatternConv"]
    found = layer_times(tmp_path / "packed.onnx", tmp_path / "dense.onnx", 1)
    assert list(found) == packed
    assert all(row.threads == 1 and row.packed > 0 and row.dense > 0 for row in found.values())
    alone, none = packed_times([tmp_path / "packed.onnx", tmp_path / "dense.onnx"], 1)
    assert list(alone) == packed
    assert min(alone.values()) > 0
    assert not none
