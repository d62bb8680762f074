"""Write docs/knobs.md: every knob of a recipe, as `cct/recipe` defines it. Run it after a change there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cct.recipe.export import Export
from cct.recipe.images import Images
from cct.recipe.knob import knobs
from cct.recipe.pruning import Pruning
from cct.recipe.training import Training

DOCS = Path(__file__).parents[1] / "docs"
HEAD = """# Every knob of a recipe

Written by `python scripts/write_knobs.py`, from `cct/recipe`; do not edit. How they work together:
[recipes](recipes.md).
"""


def main() -> None:
    """Write the page into docs/, or into the folder that is named."""
    lines = [HEAD]
    for section in (Pruning, Training, Images, Export):
        lines += [
            f"## {section.__name__}",
            "",
            "| knob | default | may be | what it does | option |",
            "|---|---|---|---|---|",
        ]
        for name, knob in knobs(section).items():
            cells = (f"`{name}`", f"`{json.dumps(knob.default)}`", knob.allowed_text(), knob.help, knob.option)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    (folder / "knobs.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
