"""What `python -m benchmarks.accuracy` trains: every row with all that tells it from the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from cct.recipe.recipe import Recipe

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
        method: "cct", or the name of a peer of `peers.py`.
        start: row whose network of seed 0 is where this one begins; "random"; or "" for the public checkpoint and,
            where there is none, random weights.
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


def _rows(
    prefix: str, knobs: Mapping[str, Any], *rows: tuple[float, str, tuple[int, ...]], suffix: str = "", **more: Any
) -> list[Row]:
    """Rows named by compression and block."""
    made = []
    for compression, block, seeds in rows:
        out, into = (int(side) for side in block.split("x"))
        all_knobs = {**knobs, "compression": compression, "block": [out, into]}
        made.append(Row(f"{prefix}{compression:g}x {block}{suffix}", all_knobs, seeds, **more))
    return made


DISTILLED = {"distillation": 0.9}  # from the dense network of seed 0
PATTERNS = {"entries": 4, "connectivity": "uniform"}
POSITIONS = {"entries": 1, "connectivity": "uniform"}
ONE_RANKING = {"entries": 4, "connectivity": "global"}
PAPER = ("importance", "pool", "pool_size", "grouping", "choose_at", "cut_at", "easing", "lasso", "mixup")
SIZES: tuple[tuple[float, str, tuple[int, ...]], ...] = (
    (2.25, "1x1", (0,)),
    (4, "1x1", (0,)),
    (8, "1x1", (0,)),
    (2.25, "4x1", (0,)),
    (4, "4x1", SEEDS),
    (8, "4x1", SEEDS),
)


def _peer(method: str, compression: float, **knobs: Any) -> Row:
    """Another way to prune, which learns from the same network as the distilled rows."""
    knobs |= {"compression": compression, **DISTILLED}
    return Row(f"{method} {compression:g}x", knobs, method=method, teacher="dense")


FAST = {"learning_rate": 0.05}
FASTER: dict[str, Any] = {"suffix": ", rate 0.05", "teacher": "dense, rate 0.05"}
LARGER: dict[str, Any] = {"network": "vgg11", "start": "VGG-11 at its start"}
SHORT = {"epochs": 6, "compression": 4.0, "block": [4, 1]}  # of the ablation

SCRATCH = {**PATTERNS, "compression": 4.0, "block": [4, 1], "learning_rate": 0.1}
NEW: dict[str, Any] = {"images": 10_000, "start": "random"}

# a gentler start than the default, which is for trained networks: VGG has no shortcuts
COARSE = {"epochs": 6, "warmup": 0.2, "compression": 4.0, "connectivity": "global"}
COARSE_BLOCKS = ("1x1", "4x1", "16x8", "32x8", "64x4", "64x8")
WIDE: dict[str, Any] = {"network": "vgg11", "images": 10_000}
WIDE_START = Row("coarse blocks, start", {**COARSE, "compression": 1.0}, **WIDE)


def _ablation(**rows: Mapping[str, Any]) -> list[Row]:
    return [
        Row(f"short, {name.replace('_', ' ')}", {**SHORT, **PATTERNS, **knobs}, images=10_000)
        for name, knobs in rows.items()
    ]


def _after(before: int, each: int, rate: float) -> list[Row]:
    """ADMM and masked fine-tuning of as many epochs each, after a dense training."""
    trained, name = f"scratch, dense, {before} epochs", f"scratch, {before} + {each}"
    knobs, images = {**SCRATCH, "epochs": each, "learning_rate": rate}, NEW["images"]
    admm = Row(f"{name} of ADMM, rate {rate:g}", knobs, method="admm", start=trained, images=images)
    return [admm, Row(f"{name} + {each}, rate {rate:g}", knobs, method="masked", start=admm.name, images=images)]


GROUPS: dict[str, list[Row]] = {
    "ResNet-20": [
        Row("dense", {"compression": 1.0}, SEEDS),
        Row("dense, distilled", {"compression": 1.0, **DISTILLED}, SEEDS, teacher="dense"),
        *_rows("", PATTERNS, (4, "1x1", (0,)), (4, "4x1", (0,)), (8, "4x1", (0,))),
        *_rows("distilled ", DISTILLED | PATTERNS, *SIZES, (4, "2x1", (0,)), (4, "8x1", (0,)), teacher="dense"),
        *_rows("positions ", DISTILLED | POSITIONS, (2.25, "4x1", (0, 1)), *SIZES[4:], teacher="dense"),
        *_rows("one ranking ", DISTILLED | ONE_RANKING, (4, "1x1", (0,)), (8, "1x1", SEEDS), teacher="dense"),
        *(_peer("unstructured", compression, cut_at=0.5) for compression in (4.0, 8.0)),
        *(_peer("channels", compression) for compression in (2.0, 4.0)),
    ],
    "VGG-11": [
        Row("VGG-11 at its start", {"compression": 1.0, "epochs": 12}, network="vgg11"),
        Row("VGG-11 dense", {"compression": 1.0}, **LARGER),
        Row("VGG-11 dense, distilled", {"compression": 1.0, **DISTILLED}, **LARGER, teacher="VGG-11 dense"),
        Row("VGG-11 8x 4x1", {"compression": 8.0, **PATTERNS}, **LARGER),
        Row("VGG-11 one ranking 8x 4x1", {"compression": 8.0, **ONE_RANKING}, **LARGER),
        Row("VGG-11 one ranking positions 8x 4x1", {"compression": 8.0, **ONE_RANKING, "entries": 1}, **LARGER),
        Row(
            "VGG-11 one ranking positions 8x 4x1, distilled",
            {"compression": 8.0, **ONE_RANKING, "entries": 1, **DISTILLED},
            **LARGER,
            teacher="VGG-11 dense",
        ),
        Row(
            "VGG-11 positions 8x 4x1", {"compression": 8.0, **POSITIONS, **DISTILLED}, **LARGER, teacher="VGG-11 dense"
        ),
    ],
    "VGG-11, 20 epochs": [
        Row("VGG-11 dense, 20 epochs", {"compression": 1.0, "epochs": 20}, **LARGER),
        Row(
            "VGG-11 dense, 20 epochs, distilled",
            {"compression": 1.0, "epochs": 20, **DISTILLED},
            **LARGER,
            teacher="VGG-11 dense, 20 epochs",
        ),
        Row("VGG-11 one ranking 8x 4x1, 20 epochs", {"compression": 8.0, "epochs": 20, **ONE_RANKING}, **LARGER),
        Row(
            "VGG-11 one ranking 8x 4x1, 20 epochs, distilled",
            {"compression": 8.0, "epochs": 20, **ONE_RANKING, **DISTILLED},
            **LARGER,
            teacher="VGG-11 dense, 20 epochs",
        ),
    ],
    "From scratch: ClickTrain, and pruning after training": [
        *(
            Row(
                f"scratch, ClickTrain, {epochs} epochs",
                {**SCRATCH, "choose_at": 0.3, "cut_at": 0.5, "epochs": epochs},
                **NEW,
            )
            for epochs in (8, 10, 12)
        ),
        *(
            Row(f"scratch, dense, {epochs} epochs", {**SCRATCH, "compression": 1.0, "epochs": epochs}, **NEW)
            for epochs in (6, 12)
        ),
        *(row for before, each in ((6, 2), (6, 4), (12, 2)) for row in _after(before, each, 0.1)),
        *(row for each, rate in ((2, 0.02), (4, 0.02), (4, 0.05)) for row in _after(6, each, rate)),
    ],
    "Another learning rate": [
        Row("dense, rate 0.05", {"compression": 1.0, **FAST}, (0, 1)),
        *_rows("distilled ", DISTILLED | PATTERNS | FAST, (4, "4x1", (0,)), (8, "4x1", (0,)), **FASTER),
        *_rows("positions ", DISTILLED | POSITIONS | FAST, (4, "4x1", (0,)), **FASTER),
    ],
    "Ablation": [
        *_ablation(
            dense={"compression": 1.0},
            patterns={},
            positions=POSITIONS,
            positions_same_bytes=POSITIONS | {"compression": 5.2},
            positions_one_ranking=POSITIONS | {"connectivity": "global"},
            positions_one_ranking_same_MACs=POSITIONS | {"connectivity": "global", "compression": 6.0},
            one_ranking={"connectivity": "global"},
            distilled_from_its_start=DISTILLED,
            all_at_once={"cut_at": 0.0},
            ramp_to_half={"cut_at": 0.5},
            neighbours_in_blocks={"grouping": "none"},
            pool_of_8={"pool_size": 8},
            pool_of_8_most_frequent={"pool_size": 8, "pool": "frequent"},
            importance_by_gradients={"importance": "taylor", "importance_batches": 20},
            the_paper={
                name: value for name, value in asdict(Recipe.named("clicktrain-paper")).items() if name in PAPER
            },
        ),
        Row("short, distilled", {**SHORT, **PATTERNS, **DISTILLED}, images=10_000, teacher="short, dense"),
    ],
    "Coarse blocks, for GPUs": [
        WIDE_START,
        Row("coarse blocks, dense", {**COARSE, "compression": 1.0}, **WIDE, start=WIDE_START.name),
        *_rows("coarse blocks ", COARSE, *((4, block, (0,)) for block in COARSE_BLOCKS), **WIDE, start=WIDE_START.name),
    ],
}
ROWS: list[Row] = [row for rows in GROUPS.values() for row in rows]
BY_NAME: dict[str, Row] = {row.name: row for row in ROWS}
# Groups that are timed, with comparable dense rows; elsewhere those are shorter, or distilled rows have no dense peer.
COMPARABLE = ("ResNet-20", "VGG-11", "VGG-11, 20 epochs")
DENSE = {"resnet20": "dense", "vgg11": "VGG-11 dense"}  # what the rows of a network are timed against
LINES: dict[str, list[str]] = {
    "block 4x1, distilled": [f"distilled {c}x 4x1" for c in ("2.25", "4", "8")],
    "block 4x1, positions, distilled": [f"positions {c}x 4x1" for c in ("2.25", "4", "8")],
    "block 1x1, distilled": [f"distilled {c}x 1x1" for c in ("2.25", "4", "8")],
    "block 1x1, one ranking over all layers, distilled": [f"one ranking {c}x 1x1" for c in ("4", "8")],
    "block 4x1, not distilled": [f"{c}x 4x1" for c in ("4", "8")],
    "unstructured, distilled": [row.name for row in ROWS if row.method == "unstructured"],
    "channels, distilled, with Torch-Pruning": [row.name for row in ROWS if row.method == "channels"],
}
