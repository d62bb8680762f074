"""`Outputs`: the files of a run, and where they go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outputs:
    """The three files of a run: MODEL.onnx, and beside it MODEL.pt and MODEL.report.json."""

    onnx: Path
    checkpoint: Path
    report: Path

    @classmethod
    def beside(cls, path: Path) -> Outputs:
        """Name the files after the ONNX file."""
        return cls(path, path.with_suffix(".pt"), path.with_suffix(".report.json"))

    def files(self) -> tuple[Path, Path, Path]:
        """All of them."""
        return self.onnx, self.checkpoint, self.report
