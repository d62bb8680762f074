"""`choose_recipe`: the recipe of a run, after what a stopwatch decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from cct.recipe.recipe import Recipe
from cct.training.progress import print_line
from cct.tuning.block_choice import BlockChoice
from cct.tuning.choice_file import read_choice, write_choice
from cct.tuning.keep_faster import keep_faster
from cct.tuning.layer_choice import LayerChoice
from cct.tuning.tune_blocks import tune_blocks
from cct.workflows.compress.read_inputs import Inputs
from cct.workflows.compress.request import Request
from cct.workflows.compress.run_folder import BLOCKS, CHOICE, Run

_Choice = TypeVar("_Choice", BlockChoice, LayerChoice)


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
        recipe: every knob, as the report and the files keep it.
        training: what the run does of it; another one in a dry run.
        block_auto: the block of each layer, by measured speed; None if nobody asked.
        keep_faster: the layers that measured speed keeps dense; likewise.
    """

    recipe: Recipe
    training: Recipe
    block_auto: BlockChoice | None = None
    keep_faster: LayerChoice | None = None


def choose_recipe(request: Request, inputs: Inputs, run: Run) -> Plan:
    """Let measured speed change the request's recipe where that is asked for.

    Raises:
        CctError: no such recipe can be had.
    """
    recipe, blocks, layers = request.recipe, None, None
    if request.block_auto:
        blocks = _choice(tune_blocks, BlockChoice, run, run.folder / BLOCKS, inputs, recipe)
        recipe = blocks.applied_to(recipe)
    if request.keep_faster:
        layers = _choice(keep_faster, LayerChoice, run, run.folder / CHOICE, inputs, recipe)
        recipe = layers.applied_to(recipe)
    return Plan(recipe, request.training_recipe(recipe), blocks, layers)


def _choice(
    tune: Callable[[nn.Module, Tensor, Recipe, Callable[[str], None]], _Choice],
    kind: type[_Choice],
    run: Run,
    path: Path,
    inputs: Inputs,
    recipe: Recipe,
) -> _Choice:
    """What pays: of the interrupted run, else measured."""
    if run.interrupted:
        return read_choice(path, kind)
    choice = tune(inputs.model.module, inputs.images.example(), recipe, print_line)
    write_choice(choice, path)
    return choice
