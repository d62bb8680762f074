"""What `--target` stands for: the knobs of a recipe that follow from where a file is to run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Block and types for one kind of processor, by the names that a recipe has for them."""

    block: tuple[int, int]
    weights: str
    activations: str

    def __str__(self) -> str:
        rows, columns = self.block
        return f"{self.weights} weights, {self.activations} activations, block {rows}x{columns}"


# 4 output channels suit the vectors of CPUs, 64x8 the tiles of tensor cores: docs/recipes.md, docs/cuda.md.
TARGETS = {
    "cpu": Target((4, 1), "float32", "float32"),
    "cuda": Target((64, 8), "float16", "float16"),
}
