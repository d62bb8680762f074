"""`Training`: how a network is fine-tuned while it is pruned."""

from __future__ import annotations

from dataclasses import dataclass

from cct.recipe.knob import COUNT, MOST, NOT_NEGATIVE, POSITIVE, SHARE, Range, Section, knob, require


@dataclass(frozen=True, kw_only=True)
class Training(Section):
    """How a network is fine-tuned: see the help of each knob."""

    epochs: int = knob(10, Range(0, MOST), "Passes over the images; 0 prunes without training.", "--epochs")
    batch_size: int = knob(64, COUNT, "Images a step, shared by the processes if there are several.", "--batch-size")
    accumulate: int = knob(
        1, COUNT, "Compute a step's images in so many parts, which needs less memory.", "--accumulate"
    )
    mixed_precision: str = knob(
        "no", ("no", "bf16"), "Type in which the training computes where it may; no is float32.", "--mixed-precision"
    )
    learning_rate: float = knob(0.05, NOT_NEGATIVE, "Highest learning rate, of SGD; a cosine takes it to 0.", "--lr")
    warmup: float = knob(0.0, SHARE, "Share of the steps in which the learning rate rises to its highest.")
    momentum: float = knob(0.9, Range(0, 1, "from 0 to below 1", open_high=True), "Of SGD.")
    nesterov: bool = knob(True, None, "Whether the momentum is Nesterov's.")
    weight_decay: float = knob(1e-4, NOT_NEGATIVE, "Of SGD, on all parameters.")
    mixup: float = knob(0.0, NOT_NEGATIVE, "Alpha of mixup in the steps after the last cut, 0 for none.")
    sparse_training: str = knob(
        "rule",
        ("rule", "measured", "off"),
        "Whether steps after the last cut compute with the kept weights alone, on the CPU: rule: where at most half is "
        "kept and the processor has AVX2 or AVX-512; measured: where each product measures faster, which may differ "
        "from run to run, and with it the last bits of the weights; off: never.",
    )
    seed: int = knob(
        0,
        Range(0, 2**63, "0 or more, below 2^63", open_high=True),
        "Of order, crops and flips of the images, and of grouping: same seed, same file, on the same machine.",
        "--seed",
    )
    distillation: float = knob(
        0.0, SHARE, "Share of the loss that follows the unpruned network's answers.", "--distillation"
    )
    temperature: float = knob(4.0, POSITIVE, "By which both answers' logits are divided in distillation.")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.momentum > 0 or not self.nesterov, "momentum", 0, "above 0 when nesterov is true")
