"""Code of the user's own; its name comes from the command line and from nowhere else."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cct.errors import CctError
from cct.messages import first_line


def find(name: str, option: str, error: type[CctError]) -> Callable[..., Any]:
    """Import what an option names.

    Args:
        name: `package.module:function` or `./file.py:function`.
        option: for the message, such as `--arch`.
        error: what to raise.

    Raises:
        CctError: of the class `error`: there is nothing of this name, or importing it raised.
    """
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise error(f"{option} is {name!r}: write package.module:function or ./file.py:function")
    try:
        home = _run_file(Path(place)) if place.endswith(".py") else _import(place)
    except (Exception, SystemExit) as fault:  # the user's own code can raise anything
        kind = f"{type(fault).__name__}: {first_line(fault)}"
        raise error(f"{option} {name}: {place} cannot be imported ({kind})") from fault
    found = getattr(home, attribute, None)
    if not callable(found):
        raise error(f"{option} {name}: {place} has no function {attribute!r}")
    return found  # type: ignore[no-any-return]  # callable() says so


def call(function: Callable[..., Any], arguments: Mapping[str, Any], where: str, error: type[CctError]) -> Any:
    """Call what `find` found.

    Args:
        function: what to call.
        arguments: by name.
        where: for the message, such as `--arch torchvision.models:resnet18`.
        error: what to raise.

    Raises:
        CctError: of the class `error`: the function does not take the arguments, or it raised.
    """
    try:
        inspect.signature(function).bind(**arguments)
    except ValueError:  # some callables of C have no signature
        pass
    except TypeError as fault:
        takes = ", ".join(inspect.signature(function).parameters) or "nothing"
        raise error(f"{where} takes {takes}: {first_line(fault)}") from fault
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(**arguments)
    except (Exception, SystemExit) as fault:  # as above
        raise error(f"{where} raised {type(fault).__name__}: {first_line(fault)}") from fault


def allow_imports_from(folder: Path) -> None:
    """Let code be imported from a folder, after all that is installed."""
    if str(folder.resolve()) not in sys.path:
        sys.path.append(str(folder.resolve()))


def _import(place: str) -> Any:
    allow_imports_from(Path())
    return importlib.import_module(place)


def _run_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"cct_user_{path.stem}", path)
    assert spec is not None  # the suffix is .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses and pickle look there
    sys.path.insert(0, str(path.resolve().parent))  # what stands beside the file
    spec.loader.exec_module(module)
    return module
