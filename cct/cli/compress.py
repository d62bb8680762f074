"""`cct compress`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from cct.cli.knob_options import knob_options
from cct.cli.numbers import Real, Whole
from cct.cli.options import (
    data_option,
    file_options,
    goal_options,
    model_options,
    output_option,
    result_options,
    scale_options,
    type_options,
)
from cct.cli.paths import Spec
from cct.cli.types import AUTO, FILE, OUTPUT, Block
from cct.errors import RecipeError
from cct.gate.goals import Goal
from cct.model_source import ModelSource
from cct.recipe.pruning import Pruning
from cct.recipe.target import TARGETS
from cct.recipe.training import Training

if TYPE_CHECKING:
    from cct.report.compress_report import CompressReport


def _precision(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The launcher always names a type: its "no" is no wish."""
    launched = ctx.get_parameter_source(str(parameter.name)) is ParameterSource.ENVIRONMENT
    return None if launched and value == "no" else value


@click.command(short_help="Prune a network by patterns while fine-tuning it; write ONNX.")
@click.argument("model", type=FILE)
@output_option
@model_options
@data_option
@scale_options
@click.option(
    "--recipe",
    "recipe_name",
    type=Spec(),
    help="By name (positions, clicktrain-paper), or a TOML file; options override it.",
)
@click.option("--save-recipe", type=OUTPUT, help="Write every knob of this run as TOML.")
@knob_options(
    Pruning,
    block={
        "type": Block(),
        "help": "Output x input channels that share patterns; 4x1 in the default recipe. auto: measure each layer on "
        "this machine, and take the finest block that costs it no time.",
    },
)
@click.option(
    "--keep-faster",
    is_flag=True,
    help="Measure each layer packed and dense on this machine; leave dense what gains nothing.",
)
@knob_options(
    Training,
    mixed_precision={
        "envvar": "ACCELERATE_MIXED_PRECISION",
        "callback": _precision,
        "help": "Type in which the training computes; default the launcher's, else the recipe's.",
    },
    learning_rate={"type": Real(0, min_open=True)},  # a recipe may ask for none; here 0 is a slip
)
@click.option("--teacher", type=FILE, help="Distil from this network instead of MODEL: a checkpoint, read as MODEL is.")
@type_options
@file_options
@goal_options
@click.option("--threads", type=Whole(1, 1024), help="Threads of the training.")
@click.option(
    "--device", default="cpu", show_default=True, metavar="NAME", help="Where to train: cpu, cuda, cuda:N or mps."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue this output's interrupted run: on the CPU, with the same options, to the same bytes.",
)
@click.option("--dry-run", is_flag=True, help="Prune without training, judge the goals, write no model.")
@result_options
def compress(
    model: Path,
    output: Path,
    source: Callable[[Path], ModelSource],
    data: str,
    scale: dict[str, Any],
    recipe_name: str | None,
    save_recipe: Path | None,
    target: str | None,
    portable: bool,
    goals: tuple[Goal, ...],
    block: tuple[int, int] | Literal["auto"] | None,
    threads: int | None,
    device: str,
    resume: bool,
    dry_run: bool,
    keep_faster: bool,
    teacher: Path | None,
    **knobs: Any,
) -> CompressReport:
    """Prune MODEL by patterns while fine-tuning it, and write it as ONNX.

    MODEL is a checkpoint of cct, or a state_dict with --arch. The ONNX file takes normalized NCHW images. Beside it,
    and named after it, appear a .pt (the pruned weights, for the original class) and a .report.json. What an option
    leaves open, the recipe says. A goal that is not reached exits 1; everything is written all the same.
    """
    import torch

    from cct.recipe.recipe import Recipe
    from cct.training.malloc import keep_freed_memory
    from cct.workflows.compress import steps
    from cct.workflows.compress.request import Request

    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    if recipe_name is None:
        base = Recipe()
    elif recipe_name.endswith(".toml"):
        base = Recipe.from_toml(_read(recipe_name))
    else:
        base = Recipe.named(recipe_name)
    base = base.for_target(target)
    given = {name: value for name, value in knobs.items() if value not in (None, ())} | scale
    if block:  # is for every layer, whatever the recipe says of single ones
        given |= {"block": TARGETS["cpu"].block if block == AUTO else block, "blocks": ()}
    if portable:
        given["portable"] = True
    if goals:
        given["goals"] = tuple(map(str, goals))
    recipe = Recipe.from_values({**asdict(base), **given})
    request = Request(
        source(model),
        output,
        data=data,
        recipe=recipe,
        save_recipe=save_recipe,
        dry_run=dry_run,
        device=device,
        resume=resume,
        block_auto=block == AUTO,
        keep_faster=keep_faster,
        teacher=replace(source(teacher), shared=True) if teacher else None,
    )
    return steps.compress(request)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"--recipe {path} can't be read: {error}") from error
