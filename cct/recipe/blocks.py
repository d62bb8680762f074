"""Which layers get which block: `layer1.*=2x1`, an entry of a recipe's `blocks`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cct.errors import RecipeError
from cct.messages import printable

Block = tuple[int, int]

_BLOCK = re.compile(r"([1-9][0-9]{0,8})x([1-9][0-9]{0,8})")


@dataclass(frozen=True)
class LayerBlock:
    """One entry.

    Attributes:
        layers: a convolution's name, or a shell pattern such as `layer1.*`.
        block: output x input channels whose kernels share one pattern and one connectivity.
    """

    layers: str
    block: Block

    @classmethod
    def parse(cls, text: str) -> LayerBlock:
        """Read `LAYER=OUTxIN`; of several `=` the last one counts, for a name may hold others.

        Raises:
            RecipeError: the text is none.
        """
        layers, _, block = text.rpartition("=")
        try:
            if not layers:
                raise ValueError("no layer")
            return cls(layers, parse_block(block))
        except ValueError:
            wanted = "write LAYER=OUTxIN, such as layer1.*=2x1"
            raise RecipeError(f"blocks holds {printable(text)!r}: {wanted}") from None

    def fits(self, name: str) -> bool:
        """Whether the entry is for the convolution of this name."""
        return fnmatchcase(name, self.layers)

    def __str__(self) -> str:
        return f"{self.layers}={format_blocks(self.block)}"


def parse_block(text: str) -> Block:
    """Read `4x1`; raises ValueError."""
    found = _BLOCK.fullmatch(text)
    if not found:
        raise ValueError("no block")
    return int(found[1]), int(found[2])


def format_blocks(*blocks: Block) -> str:
    """`1x1, 2x1 and 4x1`: each of these blocks once, the finest first."""
    *others, last = [f"{height}x{width}" for height, width in _finest_first(blocks)]
    return f"{', '.join(others)} and {last}" if others else last


def _finest_first(blocks: Iterable[Block]) -> list[Block]:
    return sorted(set(blocks), key=lambda block: (block[0] * block[1], block))
