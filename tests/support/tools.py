"""Programs that tests need and that a machine may lack, and what they make once for all tests, in build/."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

BUILD = Path(__file__).parents[2] / "build"


def missing(reason: str) -> NoReturn:
    """Skip the test, or the module; but where `CI=true` fail: what CI skips nobody runs."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; .ci/run installs what tests need", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


@contextmanager
def one_maker(name: str) -> Iterator[Path]:
    """The folder build/`name`, in which one process makes what all keep; the others wait and find it made."""
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
