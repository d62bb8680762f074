"""Refuse ONNX models whose functions would be written out to far more than the file holds.

ONNX Runtime replaces every call of a model-local function by its nodes as it opens a file. Twenty functions that each
call the one before twice are a kilobyte, and a million nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import onnx

from cct.errors import CctError
from cct.messages import printable

# A PatternConv's own function has about 40 nodes. ONNX Runtime takes about 10 s to write out 30,000.
MOST_NODES = 30_000
MOST_BYTES = 2**30

_Key = tuple[str, str, str]  # domain, name, overload


@dataclass(frozen=True)
class _Body:
    """What a function, or the graph, holds itself, and which functions it calls how often."""

    nodes: int
    size: int
    calls: Mapping[_Key, int]


def check_expansion(path: object, model: onnx.ModelProto) -> None:
    """Count what a model would be with every call written out, in time by the size of the file, and refuse too much.

    Raises:
        CctError: more than `MOST_NODES` nodes or `MOST_BYTES` bytes come of calls; a function that calls itself,
            directly or by others; two functions of one name.
    """
    bodies: dict[_Key, _Body] = {}
    for function in model.functions:
        key = _key(function.domain, function.name, function.overload)
        if key in bodies:
            raise CctError(f"{path} has two functions {_format_key(key)}: rename one")
        bodies[key] = _body(function.node)
    totals: dict[_Key, tuple[int, int]] = {}  # nodes and bytes of functions with all that they call
    for key in _callees_first(path, bodies):
        totals[key] = _total(bodies[key], totals)
    graph = _body(model.graph.node)
    nodes, size = _total(_Body(0, 0, {key: n for key, n in graph.calls.items() if key in bodies}), totals)
    if nodes > MOST_NODES or size > MOST_BYTES:
        raise CctError(
            f"{path}: its functions written out are {_figure(nodes)} nodes of {_figure(size)} bytes, "
            f"at most {MOST_NODES} of {MOST_BYTES} are taken: give a model without functions that call each other"
        )


def _body(nodes: Iterable[onnx.NodeProto]) -> _Body:
    count, size, calls = 0, 0, Counter[_Key]()
    for node in nodes:
        size += node.ByteSize()
        for inner in (node, *_below(node)):
            count += 1
            calls[_key(inner.domain, inner.op_type, inner.overload)] += 1
    return _Body(count, size, calls)


def _below(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The nodes of its subgraphs, and of theirs."""
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
            for inner in graph.node:
                yield inner
                yield from _below(inner)


def _callees_first(path: object, bodies: Mapping[_Key, _Body]) -> list[_Key]:
    """The functions, each after those that it calls. Without recursion: a chain may be as long as the file."""
    order: list[_Key] = []
    done: set[_Key] = set()
    for root in bodies:
        open_calls: dict[_Key, Iterator[_Key]] = {}  # in the order in which they call each other
        if root not in done:
            open_calls[root] = iter(bodies[root].calls)
        while open_calls:
            key = next(reversed(open_calls))
            callee = next((k for k in open_calls[key] if k in bodies and k not in done), None)
            if callee is None:
                del open_calls[key]
                done.add(key)
                order.append(key)
            elif callee in open_calls:
                raise CctError(f"{path}: the function {_format_key(callee)} calls itself, which ONNX does not allow")
            else:
                open_calls[callee] = iter(bodies[callee].calls)
    return order


def _total(body: _Body, totals: Mapping[_Key, tuple[int, int]]) -> tuple[int, int]:
    """Nodes and bytes with every call written out; the numbers of a chain of functions can have thousands of digits."""
    called = [(n, *totals[key]) for key, n in body.calls.items() if key in totals]
    nodes = body.nodes + sum(n * inner for n, inner, _ in called)
    size = body.size + sum(n * inner for n, _, inner in called)
    return min(nodes, _MUCH), min(size, _MUCH)


_MUCH = 10**18


def _figure(number: int) -> str:
    return f"{number}" if number < _MUCH else "countless"


def _key(domain: str, name: str, overload: str) -> _Key:
    return "" if domain == "ai.onnx" else domain, name, overload


def _format_key(key: _Key) -> str:
    domain, name, _ = key
    return printable(f"{domain}::{name}")
