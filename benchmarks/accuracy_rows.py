"""What `accuracy.py` trains: every row with all that tells it from the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cct.recipe import Recipe

SEEDS = (0, 1, 2)
# Learning rate and batch are what measured best for the dense network; every row of a network has them.
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet20": {"epochs": 12, "learning_rate": 0.02, "batch_size": 128},
    "vgg11": {"epochs": 8, "learning_rate": 0.02, "batch_size": 64, "weight_decay": 5e-4, "warmup": 0.1},
}


@dataclass(frozen=True)
class Row:
    """One way to train one network.

    Attributes:
        name: in tables; unique.
        knobs: of the recipe, where they differ from its defaults and the network's.
        seeds: one run for each.
        network: of `cct.models`.
        images: of the training split.
        method: "cct", or a peer of `accuracy_peers.py`.
        start: row whose network of seed 0 is where this one begins; "" for the public checkpoint or, where there is
            none, random weights.
        teacher: row from whose network of seed 0 it learns, if the recipe distils; "" for its own start.
    """

    name: str
    knobs: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    network: str = "resnet20"
    images: int = 20_000
    method: str = "cct"
    start: str = ""
    teacher: str = ""

    def recipe(self, seed: int) -> Recipe:
        """All knobs of one run."""
        return Recipe.from_values(
            {"mixed_precision": "bf16", "seed": seed, **NETWORKS[self.network], **self.knobs},
        )


def _rows(prefix: str, knobs: Mapping[str, Any], *rows: tuple[float, str, tuple[int, ...]], **more: Any) -> list[Row]:
    """Rows named by compression and block."""
    made = []
    for compression, block, seeds in rows:
        out, into = (int(side) for side in block.split("x"))
        all_knobs = {**knobs, "compression": compression, "block": [out, into]}
        made.append(Row(f"{prefix}{compression:g}x {block}", all_knobs, seeds, **more))
    return made


DISTILLED = {"distillation": 0.9}  # from the dense network of seed 0
POSITIONS = {"entries": 1, "connectivity": "uniform"}
PATTERNS = {"entries": 4, "connectivity": "uniform"}
FREE = {"entries": 1, "connectivity": "global"}
SHORT = {"epochs": 6, "compression": 4.0, "block": [4, 1]}  # of the ablation


def _ablation(**rows: Mapping[str, Any]) -> list[Row]:
    return [Row(f"short, {name.replace('_', ' ')}", {**SHORT, **knobs}, images=10_000) for name, knobs in rows.items()]


GROUPS: dict[str, list[Row]] = {
    "ResNet-20": [
        Row("dense", {"compression": 1.0}, SEEDS),
        Row("dense, distilled", {"compression": 1.0, **DISTILLED}, teacher="dense"),
        *_rows("", POSITIONS, (4, "4x1", (0,))),
        *_rows("distilled ", DISTILLED | POSITIONS, (4, "4x1", SEEDS), (8, "4x1", SEEDS), teacher="dense"),
        *_rows("distilled global ", DISTILLED | FREE, (4, "4x1", (0,)), (8, "4x1", (0,)), teacher="dense"),
        *_rows(
            "patterns ", DISTILLED | PATTERNS, (4, "4x1", (0,)), (4, "1x1", (0,)), (8, "1x1", (0,)), teacher="dense"
        ),
    ],
    "The dense network: learning rate": [
        Row(f"dense, rate {rate:g}", {"compression": 1.0, "learning_rate": rate}) for rate in (0.01, 0.05)
    ],
    "Ablation": _ablation(
        dense={"compression": 1.0},
        positions=POSITIONS,
        patterns=PATTERNS,
        positions_global=FREE,
        positions_global_same_MACs=FREE | {"compression": 6.0},
        patterns_global={"connectivity": "global"},
    ),
}
ROWS: list[Row] = [row for rows in GROUPS.values() for row in rows]
BY_NAME: dict[str, Row] = {row.name: row for row in ROWS}
CURVE: list[Row] = []
LINES: dict[str, list[str]] = {}
