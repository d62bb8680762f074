"""What is wrong with a kernel, or beyond this interpreter.

* PtxError           the kernel did what no kernel may do; says what, in which instruction
  x UnknownPtx       an instruction, modifier or directive that this interpreter does not know
"""

from __future__ import annotations


class PtxError(Exception):
    """The kernel did what no kernel may do."""


class UnknownPtx(PtxError):
    """Nothing is guessed: what is not known stops the test."""
