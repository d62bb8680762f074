"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cct.commands.types import Argument
from cct.source import ModelSource


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How to read a model; the command gets `source`, which makes a `ModelSource` of a path."""

    @click.option("--arch", help="What a state_dict is of: package.module:factory or ./file.py:factory.")
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
        def source(path: Path) -> ModelSource:
            return ModelSource(path, arch, dict(arch_args), key, trust_pickle)

        return command(*arguments, source=source, **others)

    return with_source
