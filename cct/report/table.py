"""Columns of text."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[tuple[str, ...]], right: Collection[int] = ()) -> str:
    """The rows as lines, each column as wide as its widest cell; `right` are the columns that end flush."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, strict=True)
        padded = (c.rjust(width) if i in right else c.ljust(width) for i, (c, width) in enumerate(cells))
        lines.append("  ".join(padded).rstrip() + "\n")
    return "".join(lines)
