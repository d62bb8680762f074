"""The command line as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

MODEL = Path(str(files("cct").joinpath("models", "digits_net.pt")))
COMMAND = (sys.executable, "-m", "cct")


def run(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """`cct ARGUMENTS` with further environment variables."""
    return run_command([*COMMAND, *map(str, arguments)], cwd=cwd, variables=variables)


def run_command(command: list[str], cwd: Path | None, variables: dict[str, str], **more: Any) -> Any:
    """Any command, its output captured."""
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300, **more)
