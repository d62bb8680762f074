"""Another installation of cct, by links, and Python that finds that one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.support.tools import missing

ROOT = Path(__file__).parents[2]


def install(folder: Path) -> Path:
    """Put an installation into a folder; where its library would be."""
    (folder / "cct").mkdir()
    for path in (*(ROOT / "cct").iterdir(), ROOT / "passes", ROOT / "models"):
        (folder / "cct" / path.name).symlink_to(path)
    return folder / "cct" / "libcct_ops.so"


def python(
    folder: Path, *arguments: object, elsewhere: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Python in this folder, with the installation there; elsewhere: on what calls itself another processor."""
    # No site, hence no editable installation, whose import hook would go before.
    command = [sys.executable, "-S", *map(str, arguments)]
    if elsewhere:
        if not shutil.which("setarch"):
            missing("no setarch (util-linux) to pretend to be another processor with")
        command = ["setarch", "linux32", *command]
    path = os.pathsep.join([str(folder), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
