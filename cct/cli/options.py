"""Options that several commands share: each decorator gives the command one argument made of several options."""

from __future__ import annotations

import functools
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from cct import distributed
from cct.cli.knob_options import Command, knob_options
from cct.cli.paths import Spec
from cct.cli.types import OUTPUT, Argument, GoalText, Limit, Size
from cct.errors import CctError
from cct.gate.goals import Goal
from cct.model_source import ModelSource
from cct.recipe.export import Export
from cct.recipe.images import Images
from cct.recipe.knob import knobs

data_option = click.option(
    "--data",
    required=True,
    type=Spec(),
    help="digits, a folder with train/CLASS/* and val/CLASS/*, an .npz, or module:function.",
)
type_options = knob_options(Export)  # where the file is to run, and the types in which it stores and computes
output_option = click.option("-o", "--output", type=OUTPUT, default="model.onnx", show_default=True)


def model_options(command: Command) -> Command:
    """How to read a model; the command gets `source`, which makes a `ModelSource` of a path."""

    @click.option("--arch", type=Spec(), help="What a state_dict is of: package.module:factory or ./file.py:factory.")
    @click.option(
        "--arch-arg", "arch_args", type=Argument(), multiple=True, help="An argument of the factory: num_classes=10."
    )
    @click.option("--key", help="Where MODEL keeps the weights, if it holds several, such as model_ema.")
    @click.option("--trust-pickle", is_flag=True, help="Load a whole pickled module: RUNS CODE that the file names.")
    @functools.wraps(command)
    def with_source(
        *arguments: Any,
        arch: str | None,
        arch_args: tuple[tuple[str, Any], ...],
        key: str | None,
        trust_pickle: bool,
        **others: Any,
    ) -> Any:
        names = [name for name, _ in arch_args]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise click.UsageError(f"--arch-arg {twice} is given twice: leave one out")

        def source(path: Path) -> ModelSource:
            return ModelSource(path, arch, dict(arch_args), key, trust_pickle)

        return command(*arguments, source=source, **others)

    return with_source


def result_options(command: Command) -> Command:
    """`--json`. The command returns what it found; that alone goes to standard output.

    A failed goal among it exits 1; a problem, which is no verdict, is an error.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @functools.wraps(command)
    def with_result(*arguments: Any, as_json: bool, **others: Any) -> None:
        with redirect_stdout(sys.stderr):  # for what the user's own code prints
            found = command(*arguments, **others)
        failed = getattr(found, "failed", ())
        if distributed.is_main():
            click.echo((found.to_json() if as_json else found.to_text()).rstrip("\n"))
            for failure in failed if as_json else ():
                click.echo(f"FAILED {failure}", err=True)
        if problem := getattr(found, "problem", ""):
            raise CctError(problem)
        click.get_current_context().exit(1 if failed else 0)

    return with_result


def scale_options(command: Command) -> Command:
    """How images are normalized; the command gets `scale`: those of mean, std and size that were given."""

    @knob_options(Images, size={"type": Size(), "help": "Of the images in pixels: 224 or HEIGHTxWIDTH."})
    @functools.wraps(command)
    def with_scale(*arguments: Any, **others: Any) -> Any:
        given = {name: others.pop(name) for name in knobs(Images)}
        return command(*arguments, scale={name: value for name, value in given.items() if value is not None}, **others)

    return with_scale


def goal_options(command: Command) -> Command:
    """What the result must reach; the command gets `goals`."""

    @click.option(
        "--goal",
        "texts",
        type=GoalText(),
        multiple=True,
        metavar="METRIC:KIND=LIMIT",
        help="Exit 1 if it is not reached: latency:percent-min-improvement=50, size:threshold=2, ...",
    )
    @click.option(
        "--max-drop", type=Limit(), help="Short for --goal accuracy:max-degradation=POINTS.", metavar="POINTS"
    )
    @click.option("--max-error", type=Limit(), metavar="ERROR", help="Short for --goal parity:threshold.")
    @functools.wraps(command)
    def with_goals(
        *arguments: Any, texts: tuple[Goal, ...], max_drop: float | None, max_error: float | None, **others: Any
    ) -> Any:
        goals = list(texts)
        if max_drop is not None:
            goals.append(Goal("accuracy", "max-degradation", max_drop))
        if max_error is not None:
            goals.append(Goal("parity", "threshold", max_error))
        return command(*arguments, goals=tuple(goals), **others)

    return with_goals


def file_options(command: Command) -> Command:
    """Which form the ONNX file takes; the command gets `portable`."""

    @click.option(
        "--portable",
        type=click.Choice(["inline"]),
        help="inline: plain ONNX operators only, dense weights, for runtimes that know no functions.",
    )
    @functools.wraps(command)
    def with_portable(*arguments: Any, portable: str | None, **others: Any) -> Any:
        return command(*arguments, portable=portable is not None, **others)

    return with_portable
