"""`ExportReport`: what `cct export` did, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from cct.messages import printable
from cct.operator.spec import NAME
from cct.report.figures import parity_line, proof_line
from cct.report.layer import Layer, layer_table, weights_per_kept
from cct.report.plain_json import as_json


@dataclass
class ExportReport:
    """What `cct export` did.

    Attributes:
        source: file name, sha256 and arch of what was given.
        layers: one a convolution.
        parity: leg -> error of the library against it on random images, as `cct.measure.parity` defines it.
        proven: PatternConv nodes seen running on `provider` in ONNX Runtime's profile.
        images: random ones, on which parity was measured.
        bytes: of the file.
        target: where it is to run, "cpu" or "cuda".
        types: of weights and activations.
        portable: whether the file holds plain ONNX operators only.
        output: the file.
    """

    source: dict[str, str]
    layers: list[Layer]
    parity: dict[str, float]
    provider: str
    proven: int
    images: int
    bytes: int
    target: str
    types: dict[str, str]
    portable: bool
    output: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, versioned."""
        return {"cct_export": 2, **asdict(self), "compression": weights_per_kept(self.layers)}

    def to_json(self) -> str:
        """For programs."""
        return as_json(self.as_dict())

    def to_text(self) -> str:
        """For a terminal."""
        packed = sum(layer.op == NAME for layer in self.layers)
        none = ": the file is plain dense ONNX" if not packed else ""
        lines = [
            f"packed       {packed} of {len(self.layers)} convolutions{none}",
            f"compression  {weights_per_kept(self.layers):.2f}x over all convolutions",
            f"file         {self.bytes / 1e6:.2f} MB, {' and '.join(f'{t} {name}' for name, t in self.types.items())}",
            f"target       {self.target}",
            f"{parity_line(self.parity, self.images)}, random ones",
            proof_line(self.proven, self.provider),
            "",
            layer_table(self.layers),
            f"wrote        {printable(self.output, 4096)}",
        ]
        return "\n".join(lines)
