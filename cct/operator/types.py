"""`TYPES`: in which numbers a PatternConv computes and stores its weights, one row a pair.

All that follows from the types of a file stands here: what may be asked for, what is accepted, how exact it has to be,
and what runs it. Names of types are numpy's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cct.errors import CctError, OperatorError

OLDEST_RUNTIME = "1.18"  # onnxruntime: reads our files' IR version and has what the library calls

# Errors of parity: a thousand times what trained networks come to, a few times what the deepest with random weights do.
_FLOAT32, _FLOAT16 = 1e-3, 5e-2
_TF32 = 5e-2  # to which a GPU rounds float32: as long as float16


@dataclass(frozen=True)
class Types:
    """One pair.

    Attributes:
        name: of the pair, in words.
        activations: type of X, Z and Y.
        bias: of B.
        weights: of W.
        max_error: how far the ways to run a file may be apart on the CPU, as `cct.measure.parity` counts it.
        max_rounding: likewise, from the weights as they were before they became `weights`.
        tf32: whether tensor cores round X and W before they multiply them.
        oldest_runtime: onnxruntime that computes it, with the library on the CPU.
    """

    name: str
    activations: str
    bias: str
    weights: str
    max_error: float
    max_rounding: float
    tf32: bool = False
    oldest_runtime: str = OLDEST_RUNTIME

    def error_limit(self, leg: str, provider: str = "cpu") -> float:
        """How far a leg of `cct.measure.parity` may be from the library; torch has the weights as they were."""
        error = _TF32 if self.tf32 and provider == "cuda" else self.max_error
        return max(error, self.max_rounding) if leg == "torch" else error


_ROWS = (
    Types("float32", "float32", "float32", "float32", _FLOAT32, _FLOAT32, tf32=True),
    Types("float16 weights", "float32", "float32", "float16", _FLOAT32, _FLOAT16, tf32=True),
    # Before 1.23 onnxruntime casts the weights of a float16 PatternConv whose neighbours have no float16.
    Types("float16", "float16", "float16", "float16", _FLOAT16, _FLOAT16, oldest_runtime="1.23"),
)
TYPES = {row.name: row for row in _ROWS}

# What a user may ask for, and what a node may hold.
ACTIVATIONS = tuple(dict.fromkeys(row.activations for row in _ROWS))
WEIGHTS = tuple(dict.fromkeys(row.weights for row in _ROWS))
BIASES = tuple(dict.fromkeys(row.bias for row in _ROWS))


def choose_types(weights: str, activations: str) -> Types:
    """The row for what a user asks of a file.

    Raises:
        CctError: there is no such type, or no such pair.
    """
    for name, asked, known in (("weights", weights, WEIGHTS), ("activations", activations, ACTIVATIONS)):
        if asked not in known:
            raise CctError(f"{name} is {asked!r}: it must be {' or '.join(known)}")
    rows = rows_among([weights], [activations])
    if not rows:
        raise CctError(f"weights are {weights!r} and activations {activations!r}: they don't go together")
    return rows[0]


def rows_among(weights: Collection[str], activations: Collection[str]) -> list[Types]:
    """The rows of any of these types; activations that have one row only take the weights along."""
    every = [row.activations for row in TYPES.values()]
    return [
        row
        for row in TYPES.values()
        if row.activations in activations and (row.weights in weights or every.count(row.activations) == 1)
    ]


def types_of_node(bias: str, weights: str) -> Types:
    """The row of a node, by the types of its B and W.

    Raises:
        OperatorError: there is none.
    """
    for name, found, known in (("W", weights, WEIGHTS), ("B", bias, BIASES)):
        if found not in known:
            raise OperatorError(f"{name} is {found}; must be {' or '.join(known)}")
    for row in TYPES.values():
        if (row.bias, row.weights) == (bias, weights):
            return row
    raise OperatorError(f"W is {weights}, wider than B, which is {bias}")  # all other pairs have a row
