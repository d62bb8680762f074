"""Every knob of a run: a frozen dataclass, read from and written to TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from importlib.resources import files
from itertools import pairwise
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from cct.errors import RecipeError
from cct.gate.goals import Goal
from cct.limits import LARGEST_SIDE
from cct.messages import printable
from cct.recipe.blocks import Block, LayerBlock
from cct.recipe.knob_value import fits_float32, knob_value
from cct.recipe.target import TARGETS

Pattern = tuple[int, ...]

_MOST = 1_000_000  # of what is counted
_LONGEST = 100_000  # characters; the parser slows down with each
_LARGEST_BLOCK = 65535  # the operator's
_CHOICES = {
    "importance": ("magnitude", "taylor"),
    "connectivity": ("uniform", "global"),
    "easing": ("ramp", "lasso"),
    "entries": (4, 1),
    "grouping": ("swap", "none"),
    "mixed_precision": ("no", "bf16"),
    "sparse_training": ("rule", "measured", "off"),
    "weights": ("float32", "float16"),
    "activations": ("float32", "float16"),
    "target": tuple(TARGETS),
}


@dataclass(frozen=True)
class Recipe:
    """How a network is pruned while it is fine-tuned. The defaults are what measured best.

    Attributes:
        compression: weights / kept weights over the prunable convolutions, 1 to 1,000,000, which layers of
            4,000,000 weights reach that keep one pattern of 4 each. From 2.25 on, 3x3 kernels get patterns; below,
            whole kernels go and nothing else (but see `entries`); at 1 nothing is pruned.
        block: output x input channels whose kernels share one pattern and one connectivity.
        blocks: other blocks for single layers, each "LAYER=OUTxIN", LAYER a name or a shell pattern: "layer1.*=2x1";
            the first that fits a layer holds.
        epochs: passes over the training images, up to 1,000,000, as all that is counted; 0 prunes without training.
        learning_rate: of SGD at its peak; a cosine takes it to 0. Like all other numbers one that a float32 can hold.
        warmup: share of the steps in which the learning rate rises to its peak, 0..1.
        momentum: of SGD, 0 up to but not including 1.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: of SGD, on all parameters.
        batch_size: images per step; several processes share them.
        accumulate: parts in which a process computes its share of a step, one after another; more need less memory.
        mixed_precision: type in which the training computes where it may, "no" (float32) or "bf16".
        seed: of the order of images, crops, flips, and grouping.
        importance: "magnitude" (w^2) or "taylor" ((w * dL/dw)^2, which needs `importance_batches` steps).
        importance_batches: steps over which "taylor" is summed.
        entries: of a pattern: 4, ClickTrain's; or 1, which frees kernels up to 3x3 of patterns: each position of a
            block stays or goes by itself, at any compression, and `pool` has no say.
        pool: where the patterns come from: "greedy" (what keeps most importance), "frequent" (most often a kernel's
            best), or a list of patterns, each of 4 positions 0..8 (row-major).
        pool_size: patterns in a generated pool, 1..126; 126 is all that keep 4 of 9.
        connectivity: how blocks compete to stay: "uniform" (each layer keeps the same share of what its patterns
            leave), or "global" (one ranking: small early layers keep more, and with them most of the network's time).
        floor: share of the mean share that every layer keeps in any case, 0..1; for "global".
        grouping: "swap" puts like output channels into one block, "none" takes neighbours.
        choose_at: when pool, blocks and patterns are chosen, as a share of all steps, 0..1; 0 for a trained network,
            1/3 from scratch.
        cut_at: when the last weight is cut, likewise, not before `choose_at`.
        easing: what happens between the two: "ramp" cuts to the patterns at once and takes blocks away step by step;
            "lasso" leaves all weights, with a group lasso on those that will go, and cuts them at `cut_at`.
        lasso: weight of the group lasso in the loss, 0 or more.
        sparse_training: whether training steps after the last cut compute with the kept weights alone, on the CPU:
            "rule" where at most half is kept and the processor has AVX2 or AVX-512; "measured" where each product
            measures faster, which may differ from run to run, and with it the last bits of the weights; "off" never.
        distillation: share of the loss that follows the answers of the baseline, or of another teacher, 0..1.
        temperature: by which both answers' logits are divided in distillation, above 0.
        mixup: alpha of mixup in the steps after the last cut, 0 for none.
        include: convolutions to prune that would be left dense (names, or shell patterns such as "layer1.*").
        exclude: convolutions to leave dense, likewise.
        mean: per channel, of pixels scaled to 0..1; empty: as the checkpoint says, else as `cct.data.load_data` does.
        std: likewise.
        size: height and width of the images in pixels, likewise.
        weights: type in which packed weights are stored, "float32" or "float16".
        activations: type in which the network computes, likewise; "float16" takes float16 weights along.
        target: where the file is to run, "cpu" or "cuda"; where a recipe does not name `block`, `weights` and
            `activations`, they follow it, as `cct.recipe.target` says. In Python see `for_target`.
        portable: whether the file is plain ONNX with dense weights, for runtimes that know no functions.
        goals: what the result must reach, as `cct.gate.goals` reads it: "accuracy:max-degradation=0.5".
    """

    compression: float = 4.0
    block: Block = TARGETS["cpu"].block
    blocks: tuple[str, ...] = ()
    epochs: int = 10
    learning_rate: float = 0.05
    warmup: float = 0.0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4
    batch_size: int = 64
    accumulate: int = 1
    mixed_precision: str = "no"
    seed: int = 0
    importance: str = "magnitude"
    importance_batches: int = 1
    entries: int = 4
    pool: str | tuple[Pattern, ...] = "greedy"
    pool_size: int = 126
    connectivity: str = "uniform"
    floor: float = 0.1
    grouping: str = "swap"
    choose_at: float = 0.0
    cut_at: float = 0.25
    easing: str = "ramp"
    lasso: float = 0.0
    sparse_training: str = "rule"
    distillation: float = 0.0
    temperature: float = 4.0
    mixup: float = 0.0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    size: tuple[int, ...] = ()
    weights: str = TARGETS["cpu"].weights
    activations: str = TARGETS["cpu"].activations
    target: str = "cpu"
    portable: bool = False
    goals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = knob_value(field.name, getattr(self, field.name), type(field.default))
            object.__setattr__(self, field.name, value)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise RecipeError(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(map(str, choices))}")
        _require(1 <= self.compression <= _MOST, "compression", self.compression, f"1 or more, at most {_MOST}")
        blocks = len(self.block) == 2 and 1 <= min(self.block) <= max(self.block) <= _LARGEST_BLOCK
        _require(blocks, "block", self.block, f"two whole numbers from 1 to {_LARGEST_BLOCK}")
        for name in ("epochs", "seed", "learning_rate", "weight_decay", "lasso", "mixup"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        _require(self.seed < 2**63, "seed", self.seed, "below 2^63")
        for name in ("batch_size", "accumulate", "importance_batches"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in ("epochs", "batch_size", "accumulate", "importance_batches"):
            _require(getattr(self, name) <= _MOST, name, getattr(self, name), f"at most {_MOST}")
        for name in ("warmup", "floor", "choose_at", "cut_at", "distillation"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "between 0 and 1")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "from 0 to below 1")
        _require(self.momentum > 0 or not self.nesterov, "momentum", 0, "above 0 when nesterov is true")
        _require(self.temperature > 0, "temperature", self.temperature, "above 0")
        _require(1 <= self.pool_size <= 126, "pool_size", self.pool_size, "between 1 and 126")
        _require(self.cut_at >= self.choose_at, "cut_at", self.cut_at, f"choose_at ({self.choose_at}) or later")
        _require(self.lasso == 0 or self.easing == "lasso", "lasso", self.lasso, '0 unless easing is "lasso"')
        _require(self.lasso == 0 or self.entries > 1, "lasso", self.lasso, "0 if entries is 1: it is for patterns")
        _require(all(v > 0 for v in self.std), "std", self.std, "above 0")
        sides = not self.size or (len(self.size) == 2 and min(self.size) >= 1 and max(self.size) <= LARGEST_SIDE)
        _require(sides, "size", self.size, f"height and width from 1 to {LARGEST_SIDE} pixels")
        for field in fields(self):
            value = getattr(self, field.name)
            parts = value if isinstance(value, tuple) else (value,)
            _require(all(map(fits_float32, parts)), field.name, value, "0, or what a float32 can hold")
        _check_pool(self.pool)
        for goal in self.goals:
            Goal.parse(goal)
        for entry in self.blocks:
            LayerBlock.parse(entry)

    @classmethod
    def from_toml(cls, text: str) -> Recipe:
        """Read a recipe; what it does not name keeps its default.

        Raises:
            RecipeError: no TOML, an unknown knob, or a value that is not allowed.
        """
        if len(text) > _LONGEST:
            raise RecipeError(f"the recipe has {len(text)} characters: it must have at most {_LONGEST}")
        try:
            values = tomlkit.parse(text).unwrap()
        except (TOMLKitError, RecursionError) as error:
            raise RecipeError(f"the recipe is no TOML: {error}") from error
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Recipe:
        """Make a recipe of plain values, as TOML gives them; what they leave open follows from their target.

        Raises:
            RecipeError: an unknown knob, or a value that is not allowed.
        """
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                near = get_close_matches(name, names, n=1, cutoff=0) or names
                raise RecipeError(f"a recipe has no knob {name!r}; the nearest is {near[0]}")
        target = values.get("target", "cpu")
        implied = asdict(TARGETS[target]) if isinstance(target, str) and target in TARGETS else {}
        return cls(**{**implied, **values})

    @classmethod
    def named(cls, name: str) -> Recipe:
        """One of the recipes that come with the tool, such as `clicktrain-paper`.

        Raises:
            RecipeError: there is no such recipe.
        """
        folder = files("cct") / "recipe" / "builtin"
        known = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
        if name not in known:
            raise RecipeError(f"there is no recipe {name!r}; the tool has {', '.join(known)}")
        return cls.from_toml(folder.joinpath(f"{name}.toml").read_text(encoding="utf-8"))

    def for_target(self, target: str | None) -> Recipe:
        """The recipe for another target, whose block and types go before what was; the same for None or its own."""
        if target in (None, self.target):
            return self
        return replace(self, target=target, blocks=(), **asdict(TARGETS[target]))

    def block_of(self, name: str) -> Block:
        """The block of the convolution of this name: of the first of `blocks` that fits it, else `block`."""
        entries = map(LayerBlock.parse, self.blocks)
        return next((entry.block for entry in entries if entry.fits(name)), self.block)

    def to_toml(self) -> str:
        """Write every knob, so that the text says all even if a default changes later."""
        return tomlkit.dumps(asdict(self))


def _require(holds: bool, name: str, value: object, wanted: str) -> None:
    if not holds:
        raise RecipeError(f"{name} is {printable(value)}: it must be {wanted}")


def _check_pool(pool: str | tuple[Pattern, ...]) -> None:
    if isinstance(pool, str):
        _require(pool in ("greedy", "frequent"), "pool", pool, "greedy, frequent, or a list of patterns")
        return
    _require(1 <= len(pool) <= 126, "pool", len(pool), "1 to 126 different patterns")
    for pattern in pool:
        ascending = all(type(p) is int for p in pattern) and all(a < b for a, b in pairwise(pattern))
        fits = ascending and len(pattern) == 4 and pattern[0] >= 0 and pattern[-1] <= 8
        _require(fits, "pool", list(pattern), "patterns of 4 ascending positions 0..8")
    _require(len(set(pool)) == len(pool), "pool", len(pool), "1 to 126 different patterns")
