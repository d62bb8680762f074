"""What is in a model, layer by layer, as text of at most 100 columns and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cct.messages import printable
from cct.report.layer import Layer, weights_per_kept
from cct.report.plain_json import as_json
from cct.report.table import aligned

VERSION = 1  # of the JSON
_WIDTH = 100  # columns


@dataclass(frozen=True)
class Row:
    """One convolution.

    Attributes:
        layer: what it is; `packed_bytes`, block and pool are those of its PatternConv, or what its zeros would give.
        dense_bytes: of the weight, stored dense.
        counted: whether "compression over ..." counts it: prunable in a checkpoint, packed in an ONNX file.
        why_not: why it is not prunable or not packed; empty if it is.
        types: of activations and weights, in bits.
    """

    layer: Layer
    dense_bytes: int
    counted: bool
    why_not: str = ""
    types: str = "32"

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self.layer), "density": self.layer.density, **asdict(self), "layer": self.layer.name}


@dataclass(frozen=True)
class Inspection:
    """What `cct inspect` found.

    Attributes:
        file: name of the file.
        bytes: of the file.
        counts: what `Row.counted` counts: "prunable" or "packed".
        rows: one a convolution, in the model's order.
        facts: what else the file says: its types of input, metadata, versions.
    """

    file: str
    bytes: int
    counts: str
    rows: Sequence[Row]
    facts: dict[str, str]

    def totals(self) -> dict[str, Any]:
        """Figures over all rows; "macs" are multiply-adds of one image, null where the size of images is open."""
        layers = [row.layer for row in self.rows]
        known = layers and all(layer.macs for layer in layers)
        return {
            "convolutions": len(layers),
            self.counts: sum(row.counted for row in self.rows),
            "compression": {
                self.counts: weights_per_kept([row.layer for row in self.rows if row.counted]),
                "convolutions": weights_per_kept(layers),
            },
            "dense_bytes": sum(row.dense_bytes for row in self.rows),
            "packed_bytes": sum(row.layer.packed_bytes or row.dense_bytes for row in self.rows),
            "macs": sum(layer.macs for layer in layers) if known else None,
            "kept_macs": round(sum(layer.macs * layer.density for layer in layers)) if known else None,
        }

    def to_json(self) -> str:
        """For programs."""
        rows = [row.as_dict() for row in self.rows]
        content = {"cct_inspect": VERSION, "file": self.file, "bytes": self.bytes, "facts": self.facts}
        return as_json({**content, "layers": rows, "totals": self.totals()})

    def to_text(self) -> str:
        """For a terminal."""
        total = self.totals()
        rates, macs = total["compression"], total["macs"]
        lines = [self._table()] if self.rows else []
        lines += [
            f"convolutions {len(self.rows)}, {total[self.counts]} {self.counts}",
            f"compression  {rates[self.counts]:.2f}x over {self.counts}, {rates['convolutions']:.2f}x over all",
            f"weights      {total['dense_bytes'] / 1e6:.2f} MB dense, {total['packed_bytes'] / 1e6:.2f} MB as packed",
            f"file         {self.bytes / 1e6:.2f} MB",
        ]
        if macs:
            lines.append(
                f"MACs         {macs / 1e6:.0f} M dense, {total['kept_macs'] / 1e6:.0f} M kept: multiply-adds, not time"
            )
        facts = {printable(name): printable(value) for name, value in self.facts.items()}
        width = max([12, *map(len, facts)])
        about = (f"{name:<{width}} {value}" for name, value in facts.items())
        return "\n".join([*lines, "", *(f"{line[: _WIDTH - 3]}..." if len(line) > _WIDTH else line for line in about)])

    def _table(self) -> str:
        onnx = self.counts == "packed"
        head = ("layer", "weight", "density", "block", "pool", "KB", "packed", "MMACs")
        table = [(*head, "bits", "stored as") if onnx else (*head, "prunable")]
        for row in self.rows:
            layer = row.layer
            found = layer.patterns > 0
            cells = (
                printable(layer.name),
                "x".join(map(str, layer.shape)),
                f"{layer.density:.3f}",
                f"{layer.block[0]}x{layer.block[1]}" if found else "-",
                f"{layer.patterns}x{layer.entries}" if found else "-",
                _thousands(row.dense_bytes, 1e3),
                _thousands(layer.packed_bytes, 1e3),
                _thousands(layer.macs, 1e6),
            )
            table.append((*cells, row.types, layer.op) if onnx else (*cells, row.why_not or "yes"))
        return aligned(table, right=range(4, 8))


def _thousands(value: int, unit: float) -> str:
    """A figure in a unit, to three digits at least; a dash for none."""
    if not value:
        return "-"
    scaled = value / unit
    return f"{scaled:.0f}" if scaled >= 100 else f"{scaled:.1f}"
