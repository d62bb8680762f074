"""How a convolution's weight is tiled: channels whose kernels share one pattern and one connectivity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Blocks:
    """A tiling of a weight (O, C/group, kh, kw) into rows of output and columns of input channels.

    A row never crosses a group of the convolution; a column counts channels within the group. Where the channels
    are no multiple of the block, the last row of a group (or the last column) is smaller.

    Attributes:
        row: int64 (O,), the row of each output channel.
        column: int64 (C/group,), the column of each input channel.
    """

    row: Tensor
    column: Tensor

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.row.max()) + 1

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.column.max()) + 1

    def gather(self, scores: Tensor) -> Tensor:
        """Sum scores (O, C/group, K) over each block to (rows, columns, K)."""
        _, ins, positions = scores.shape
        by_row = scores.new_zeros(self.rows, ins, positions).index_add_(0, self.row, scores)
        return scores.new_zeros(self.rows, self.columns, positions).index_add_(1, self.column, by_row)

    def spread(self, values: Tensor) -> Tensor:
        """Give every kernel (O, C/group, ...) the value of its block (rows, columns, ...)."""
        return values[self.row][:, self.column]

    def kernels(self) -> Tensor:
        """Number of kernels in each block, int64 (rows, columns)."""
        return torch.outer(torch.bincount(self.row), torch.bincount(self.column))


def adjacent_blocks(channels: int, block: int) -> Tensor:
    """Blocks of neighbours: int64 (channels,) 0, 0, .. 1, 1, ..."""
    return torch.arange(channels) // block
