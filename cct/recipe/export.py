"""`Export`: the form of the file, and what it must reach. Nothing of it has a say in the training."""

from __future__ import annotations

from dataclasses import dataclass

from cct.errors import RecipeError
from cct.gate.goals import Goal
from cct.operator.types import ACTIVATIONS, WEIGHTS, rows_among
from cct.recipe.knob import Section, knob
from cct.recipe.target import TARGETS


@dataclass(frozen=True, kw_only=True)
class Export(Section):
    """The form of the file, and its goals; where a recipe names a target, what it leaves open follows from that."""

    weights: str = knob(TARGETS["cpu"].weights, WEIGHTS, "Type in which packed weights are stored.", "--weights")
    activations: str = knob(
        TARGETS["cpu"].activations,
        ACTIVATIONS,
        "Type in which the network computes; float16 takes weights along.",
        "--activations",
    )
    target: str = knob(
        "cpu",
        tuple(TARGETS),
        "Where the file is to run, which block and types follow; cuda: float16 and, in compress, a coarse block.",
        "--target",
    )
    portable: bool = knob(False, None, "Plain ONNX operators only, dense weights, for runtimes that know no functions.")
    goals: tuple[str, ...] = knob(
        (),
        Goal.parse,
        "What the result must reach, such as accuracy:max-degradation=0.5.",
        items=str,
        words="METRIC:KIND=LIMIT each",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not rows_among([self.weights], [self.activations]):
            raise RecipeError(
                f"weights are {self.weights!r} and activations {self.activations!r}: they don't go together"
            )
