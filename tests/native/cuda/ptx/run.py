"""Runs a function of a PTX file, block by block, on numpy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.native.cuda.ptx.arithmetic import ARITHMETIC, Compute
from tests.native.cuda.ptx.bits import BITS
from tests.native.cuda.ptx.counters import Counters
from tests.native.cuda.ptx.errors import PtxError, UnknownPtx
from tests.native.cuda.ptx.global_memory import GlobalMemory
from tests.native.cuda.ptx.machine import CONTROL, WARP, Machine, Size
from tests.native.cuda.ptx.parse import Function, Instruction, split
from tests.native.cuda.ptx.registers import SIZES, Mask
from tests.native.cuda.ptx.tensor import TENSOR
from tests.native.cuda.ptx.transfers import TRANSFERS, is_shared

LANES = 2048  # that run together: more per numpy call saves time until they leave the cache
STEPS = 2_000_000  # of a kernel that never ends

Step = Callable[[Machine, Instruction, Mask], None]


def _with_registers(compute: Compute) -> Step:
    return lambda machine, it, mask: compute(machine.registers, it, mask)


INSTRUCTIONS: dict[str, tuple[Step, frozenset[str]]] = {
    **{name: (step, frozenset(known.split())) for name, (step, known) in {**TENSOR, **TRANSFERS, **CONTROL}.items()},
    **{
        name: (_with_registers(compute), frozenset(known.split()))
        for name, (compute, known) in {**ARITHMETIC, **BITS}.items()
    },
}


def launch(
    function: Function,
    grid: Size,
    threads: Size,
    parameters: Sequence[bytes],
    memory: GlobalMemory,
    shared_bytes: int = 0,
    counters: Counters | None = None,
) -> None:
    """Runs all blocks on memory whose launch has begun; counts what the memories do if `counters` are given.

    Raises:
        UnknownPtx: the function holds an instruction that this interpreter does not know, whether it runs or not.
        PtxError: the kernel did what no kernel may do.
    """
    steps = [_known(it) for it in function.instructions]
    lengths = [len(content) for content in parameters]
    if lengths != list(function.parameters.values()):
        raise PtxError(f"{function.name} takes parameters of {list(function.parameters.values())} bytes, not {lengths}")
    together = b"".join(content + bytes(-len(content) % 8) for content in parameters)
    shared = (function.static_bytes + shared_bytes, least_shared_access(function))
    in_block = threads[0] * threads[1] * threads[2]
    for blocks in _batches(grid, max(1, LANES // in_block)):
        machine = Machine(function, blocks, grid, threads, together, memory, shared, counters)
        _run(machine, steps)


def least_shared_access(function: Function) -> int:
    """Bytes of the narrowest access to shared memory, up to the 16 of ldmatrix and the widest loads."""
    least = 16
    for it in function.instructions:
        if it.opcode in ("ld", "st") and it.parts[0] != "param" and is_shared(it):
            data = it.arguments[0 if it.opcode == "ld" else 1]
            least = min(least, SIZES[it.type] * (len(split(data[1:-1])) if data[0] == "{" else 1))
        elif it.opcode == "cp" and it.arguments and "wait_group" not in it.parts:
            least = min(least, int(it.arguments[2], 0))
    return least


def _run(machine: Machine, steps: Sequence[Step]) -> None:
    instructions, counters = machine.function.instructions, machine.counters
    for _ in range(STEPS):
        here = machine.next()
        if here is None:
            break
        place, mask = here
        it = instructions[place]
        try:
            if it.guard:
                holds = machine.registers.read(it.guard, "pred") ^ it.negated
                mask = holds if mask is None else holds & mask
            if counters:
                warps = machine.warps if mask is None else int(mask.reshape(-1, WARP).any(1).sum())
                counters.instructions[it.opcode] += warps
            with np.errstate(all="ignore"):
                steps[place](machine, it, mask)
        except PtxError as error:
            raise type(error)(f"{error}\n  in {machine.function.name}: {it.text}") from None
    else:
        raise PtxError(f"{machine.function.name} does not end within {STEPS} instructions")
    machine.shared.end()


def _known(it: Instruction) -> Step:
    if it.opcode not in INSTRUCTIONS:
        raise UnknownPtx(it.text)
    step, modifiers = INSTRUCTIONS[it.opcode]
    if unknown := [part for part in it.parts if part not in modifiers and part not in SIZES]:
        raise UnknownPtx(f"{unknown[0]} of {it.text}")
    return step


def _batches(grid: Size, count: int) -> Iterator[list[Size]]:
    """Blocks in the order of their numbers, some at a time."""
    blocks: Any = ((x, y, z) for z, y, x in itertools.product(*(range(size) for size in reversed(grid))))
    while batch := list(itertools.islice(blocks, count)):
        yield batch
