"""The index in a package's docstring names every file of the package, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(file.parent for top in ("cct/*", "passes") for file in ROOT.glob(f"{top}/**/__init__.py"))
ENTRY = re.compile(r" *(\w+(?:, \w+)*) {2,}\S")  # names, then what they are


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(ROOT)))
def test_an_index_names_every_file(package: Path) -> None:
    files = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    entries = [entry[1].split(", ") for line in docstring.splitlines() if (entry := ENTRY.match(line))]
    assert sorted(name for names in entries for name in names) == sorted(files - {"__init__"})
