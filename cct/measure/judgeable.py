"""`check_judgeable`: whether a file's answers to some images say anything about its answers to others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir

from cct.errors import CctError
from cct.messages import printable

# A seeded one draws another number at each call, by which a file can count how often it was asked.
_RANDOM = frozenset(
    ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"]
)
_BRANCHES = frozenset(["If", "Loop", "Scan", "SequenceMap"])


def check_judgeable(path: Path, model: ir.Model) -> None:
    """Make sure that a file does the same for every image.

    Raises:
        CctError: it draws random numbers, or branches, so that what is measured need not hold later, or elsewhere.
    """
    for node in _nodes(model):
        if node.op_type in _BRANCHES:
            what = "branches"
        elif node.op_type in _RANDOM or (node.op_type == "Dropout" and len(node.inputs) > 2):
            what = "may draw random numbers"
        else:
            continue
        raise CctError(
            f"{path} {what} ({node.op_type} {printable(node.name)}): what is measured need not hold for other images; "
            "export the network in eval mode, without control flow"
        )


def _nodes(model: ir.Model) -> Iterator[ir.Node]:
    yield from model.graph.all_nodes()
    for function in model.functions.values():
        yield from function.all_nodes()
