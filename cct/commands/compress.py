"""`cct compress`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from cct.commands.options import model_options
from cct.commands.types import Block, Limit
from cct.errors import RecipeError
from cct.source import ModelSource


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default="model.onnx", show_default=True
)
@model_options
@click.option("--data", required=True, help="digits, or a folder with train/CLASS/* and val/CLASS/*.")
@click.option(
    "--recipe", "recipe_name", help="A recipe by name (clicktrain-paper) or a TOML file; options override it."
)
@click.option(
    "--compression", type=float, help="Weights / kept weights over the prunable convolutions; 4 in the default recipe."
)
@click.option("--block", type=Block(), help="Output x input channels that share patterns; 4x1 in the default recipe.")
@click.option("--epochs", type=click.IntRange(0), help="Passes over the images; 0 prunes without training.")
@click.option("--batch-size", type=click.IntRange(1), help="Images a step.")
@click.option("--lr", "learning_rate", type=click.FloatRange(0, min_open=True), help="Highest learning rate.")
@click.option(
    "--seed", type=int, help="Of order, crops and flips of the images: same seed, same file, on the same machine."
)
@click.option("--threads", type=click.IntRange(1), help="Threads of the training.")
@click.option("--max-drop", type=Limit(), help="Exit 1 if accuracy drops by more points; everything is still written.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def compress(
    ctx: click.Context,
    /,
    model: Path,
    output: Path,
    source: Callable[[Path], ModelSource],
    data: str,
    recipe_name: str | None,
    threads: int | None,
    max_drop: float | None,
    as_json: bool,
    **knobs: float | tuple[int, int] | None,
) -> None:
    """Prune MODEL by patterns while fine-tuning it, and write it as ONNX.

    MODEL is a checkpoint of cct, or a state_dict with --arch. The ONNX file takes normalized NCHW images. Beside it,
    and named after it, appear a .pt (the pruned weights, for the original class) and a .report.json. What an option
    leaves open, the recipe says.
    """
    import torch

    from cct import pipeline
    from cct.recipe import Recipe

    if threads:
        torch.set_num_threads(threads)
    if recipe_name is None:
        base = Recipe()
    elif recipe_name.endswith(".toml"):
        base = Recipe.from_toml(_read(recipe_name))
    else:
        base = Recipe.named(recipe_name)
    given = {name: value for name, value in knobs.items() if value is not None}
    recipe = Recipe.from_values({**asdict(base), **given})
    report = pipeline.compress(source(model), output, data=data, recipe=recipe, max_drop=max_drop)
    click.echo(report.to_json() if as_json else report.to_text(), nl=not as_json)
    for failure in report.failed if as_json else ():
        click.echo(f"FAILED {failure}", err=True)
    ctx.exit(1 if report.failed else 0)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"--recipe {path} can't be read: {error}") from error
