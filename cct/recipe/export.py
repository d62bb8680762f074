"""`Export`: the form of the file, and what it must reach. Nothing of it has a say in the training."""

from __future__ import annotations

from dataclasses import dataclass

from cct.gate.goals import Goal
from cct.operator.types import ACTIVATIONS, WEIGHTS
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
        "Where the file is to run; cuda stands for float16 and, in compress, a coarse block.",
        "--target",
    )
    portable: bool = knob(False, None, "Plain ONNX operators only, dense weights, for runtimes that know no functions.")
    goals: tuple[str, ...] = knob((), Goal.parse, "What the result must reach: METRIC:KIND=LIMIT.", items=str)
