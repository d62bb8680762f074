"""What the GPU will execute: the instructions of a cubin, and the loop of a kernel that multiplies."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.native.cuda.toolchain import nvdisasm

SECTION = re.compile(r"^\.text\.(\w+):")
LABEL = re.compile(r"^(\.L\w+):")
LINE = re.compile(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@(!?U?P\w+)\s+)?([\w.]+)(.*?);?\s+/\* 0x[0-9a-f]{16} \*/")
SECOND_HALF = re.compile(r"\s+/\* 0x([0-9a-f]{16}) \*/")
STALL = 41  # first of the 4 bits, in the second half of an instruction, that hold the cycles until the next one
RESOURCES = re.compile(
    r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
    r".*?Used (\d+) registers",
    re.DOTALL,
)


@dataclass
class Operation:
    """`@P0 BRA (.L_x_4)` has name BRA, guard P0 and target .L_x_4."""

    name: str
    guard: str
    operands: str
    stall: int = 0

    @property
    def target(self) -> str:
        """Label that it goes to."""
        found = re.search(r"`\((\.L\w+)\)", self.operands)
        return found[1] if found else ""


@dataclass(repr=False)
class Kernel:
    """Operations in order, and the number of the first one behind each label."""

    operations: list[Operation]
    labels: dict[str, int]

    @cached_property
    def loops(self) -> list[list[Operation]]:
        """Those that jump back, each with all operations from which its jump can be reached; the smallest first."""
        before: list[list[int]] = [[] for _ in self.operations]
        jumps = []
        for place, operation in enumerate(self.operations):
            target = self.labels.get(operation.target) if operation.name.startswith("BRA") else None
            if target is not None:
                before[target].append(place)
                if target <= place:
                    jumps.append((target, place))
            ends = operation.name.split(".")[0] in ("BRA", "EXIT") and not operation.guard
            if not ends and place + 1 < len(self.operations):
                before[place + 1].append(place)
        return sorted((self._body(before, *jump) for jump in jumps), key=len)

    def _body(self, before: Sequence[Sequence[int]], head: int, end: int) -> list[Operation]:
        body, left = {head}, [end]
        while left:
            place = left.pop()
            if place not in body:
                body.add(place)
                left += before[place]
        return [self.operations[place] for place in sorted(body)]

    @property
    def product_loop(self) -> Loop | None:
        """The smallest loop with tensor core operations: an iteration computes a slab."""
        return next((Loop(loop) for loop in self.loops if Loop(loop).count("HMMA")), None)


@dataclass(repr=False)
class Loop:
    """Operations that one warp issues in an iteration, if none of its branches skips any."""

    operations: list[Operation]

    def count(self, *names: str) -> int:
        """Operations whose name starts so, in whole parts: LDS is not LDSM."""
        return sum(any(f"{operation.name}.".startswith(f"{name}.") for name in names) for operation in self.operations)

    @property
    def names(self) -> Counter[str]:
        """How often each name occurs."""
        return Counter(operation.name for operation in self.operations)

    @property
    def copies(self) -> int:
        """Asynchronous copies of a thread, of 16 or 8 bytes each."""
        return sum(n for name, n in self.names.items() if name.startswith("LDGSTS") and name.endswith((".128", ".64")))

    @property
    def issued_per_product(self) -> float:
        """Instructions for each one on the tensor cores."""
        return len(self.operations) / self.count("HMMA")

    @property
    def stall(self) -> int:
        """Least cycles that a warp takes for an iteration when it is alone, by the compiler's own schedule."""
        return sum(operation.stall for operation in self.operations)


@dataclass(frozen=True)
class Resources:
    """What ptxas -v says of a kernel, all in bytes but the registers."""

    stack: int
    spill_stores: int
    spill_loads: int
    registers: int


def resources(log: str) -> dict[str, Resources]:
    """Of each kernel that ptxas -v printed about."""
    return {name: Resources(*map(int, numbers)) for name, *numbers in RESOURCES.findall(log)}


def kernels(cubin: Path) -> dict[str, Kernel]:
    """All kernels of a cubin."""
    done = subprocess.run([*nvdisasm(), "-c", "-hex", str(cubin)], capture_output=True, text=True, check=True)
    return parse(done.stdout)


def parse(listing: str) -> dict[str, Kernel]:
    """Kernels of nvdisasm's output with encodings."""
    found: dict[str, Kernel] = {}
    kernel = Kernel([], {})
    for line in listing.splitlines():
        if section := SECTION.match(line):
            kernel = found[section[1]] = Kernel([], {})
        elif label := LABEL.match(line):
            kernel.labels[label[1]] = len(kernel.operations)
        elif code := LINE.match(line):
            kernel.operations.append(Operation(code[2], code[1] or "", code[3]))
        elif (half := SECOND_HALF.match(line)) and kernel.operations:
            kernel.operations[-1].stall = int(half[1], 16) >> STALL & 15
    return found
