"""What `--block auto` has chosen: a block for each layer, and the recipe that says so without measuring."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cct.recipe.blocks import LayerBlock, parse_block
from cct.recipe.recipe import Recipe
from cct.report.table import aligned
from cct.tuning.choice_file import parts, plain, plain_list


@dataclass(frozen=True)
class BlockRow:
    """One layer that is pruned.

    Attributes:
        name: of the convolution.
        block: the chosen one, such as "2x1".
        milliseconds: of the layer with each candidate block, the layout reorders around it included, for each number of
            threads; empty where it was not measured.
    """

    name: str
    block: str
    milliseconds: dict[str, tuple[float, ...]]

    @classmethod
    def from_values(cls, content: Any) -> BlockRow:
        """Take apart what JSON holds; raises ValueError."""
        name, block, milliseconds = parts(content, "name", "block", "milliseconds")
        times = {key: tuple(plain(ms, float) for ms in plain_list(v)) for key, v in plain(milliseconds, dict).items()}
        for text in (block, *times):
            parse_block(plain(text, str))
        return cls(plain(name, str), block, times)


@dataclass(frozen=True)
class BlockChoice:
    """A block for each layer.

    Attributes:
        block: of the layers that no entry of `blocks` names, and of all in the network that this one is compared with.
        ratio: how many times faster than that network this one is, with the number of threads at which it gains least.
        threads: the numbers of threads that were measured.
        layers: in the network's order.
    """

    block: str
    ratio: float
    threads: tuple[int, ...]
    layers: tuple[BlockRow, ...]

    @classmethod
    def from_values(cls, content: Any) -> BlockChoice:
        """Take apart what JSON holds; raises ValueError."""
        block, ratio, threads, layers = parts(content, "block", "ratio", "threads", "layers")
        parse_block(plain(block, str))
        counts = tuple(plain(count, int) for count in plain_list(threads))
        choice = cls(block, plain(ratio, float), counts, tuple(map(BlockRow.from_values, plain_list(layers))))
        if any(len(times) != len(counts) for layer in choice.layers for times in layer.milliseconds.values()):
            raise ValueError("a layer has another number of times")
        return choice

    def applied_to(self, recipe: Recipe) -> Recipe:
        """The recipe that replays the choice."""
        others = [layer for layer in self.layers if layer.block != self.block]
        entries = [str(LayerBlock(glob.escape(layer.name), parse_block(layer.block))) for layer in others]
        return replace(recipe, block=parse_block(self.block), blocks=tuple(entries))

    def to_text(self) -> str:
        """For a terminal."""
        head = f"block auto   {self.ratio:.2f}x as fast as with {self.block} in every layer\n\n"
        candidates = sorted({block for layer in self.layers for block in layer.milliseconds}, key=parse_block)
        threads = "/".join(map(str, self.threads))
        rows = [("pruned layer", "block", *(f"{block} ms" for block in candidates), "threads")]
        for layer in self.layers:
            times = (_cell(layer.milliseconds.get(block, ())) for block in candidates)
            rows.append((layer.name, layer.block, *times, threads))
        return head + aligned(rows, right=range(2, 3 + len(candidates)))


def _cell(milliseconds: Sequence[float]) -> str:
    return "/".join(f"{ms:.3f}" for ms in milliseconds) or "-"
