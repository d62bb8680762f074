"""`train_network`: the network is fine-tuned and pruned, in every process."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from cct.pruning.clicktrain import ClickTrain
from cct.training.fine_tune import fine_tune, total_steps
from cct.training.resume_state import StateFile
from cct.workflows.compress.choose_recipe import Plan
from cct.workflows.compress.read_inputs import Inputs


@dataclass(frozen=True)
class TrainingResult:
    """What comes of the training; the network itself is that of the inputs, pruned, on the CPU.

    Attributes:
        prunable: names of the layers that compression counts.
        seconds: that it took.
    """

    prunable: list[str]
    seconds: float


def train_network(inputs: Inputs, plan: Plan, state: StateFile) -> TrainingResult:
    """Prune by the plan while training goes on, from the state of an interrupted run if there is one.

    Raises:
        CctError: the network can't be pruned so, or the training diverged.
    """
    module, recipe = inputs.model.module, plan.training
    teacher = None
    if recipe.distillation:
        teacher = inputs.teacher.module if inputs.teacher else copy.deepcopy(module)
    steps = total_steps(inputs.images, recipe)
    pruner = ClickTrain(module, recipe, steps) if recipe.compression > 1 else None
    history = fine_tune(module, inputs.images, recipe, pruner, teacher, state=state)
    module.cpu()
    prunable = [row.name for row in pruner.summary() if row.reason is None] if pruner else []
    return TrainingResult(prunable, round(sum(epoch.seconds for epoch in history), 1))
