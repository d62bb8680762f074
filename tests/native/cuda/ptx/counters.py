"""What the memory system would have to do: wavefronts of shared memory, sectors of global memory.

A wavefront serves 32 banks of 4 bytes at once, one word of each. Lanes of a warp go in phases of 128 bytes (8 lanes
with 16 bytes each); a phase without conflicts takes one wavefront. A sector is 32 bytes, the least that is moved.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from tests.native.cuda.ptx.registers import Array

WARP = 32
BANKS = 32
SECTOR = 32
PHASE = 1 << 20  # more words than a block has


@dataclass
class Traffic:
    """Of one kind of access.

    Attributes:
        requests: warps that accessed; phases, in shared memory.
        moved: sectors; wavefronts, in shared memory.
        bytes: that the lanes asked for.
    """

    requests: int = 0
    moved: int = 0
    bytes: int = 0

    @property
    def conflicts(self) -> float:
        """Wavefronts a phase: 1 is without conflict."""
        return self.moved / max(1, self.requests)

    @property
    def bytes_per_sector(self) -> float:
        """At most 32, unless lanes read the same bytes."""
        return self.bytes / max(1, self.moved)


@dataclass
class Counters:
    """Of a launch.

    Attributes:
        instructions: warps that executed each opcode.
        shared: by opcode.
        global_: by (opcode, name of the buffer).
    """

    instructions: Counter[str] = field(default_factory=Counter)
    shared: defaultdict[str, Traffic] = field(default_factory=lambda: defaultdict(Traffic))
    global_: defaultdict[tuple[str, str], Traffic] = field(default_factory=lambda: defaultdict(Traffic))

    def count_shared(self, kind: str, lanes: Array, addresses: Array, size: int) -> None:
        """An access of these lanes; addresses count from the start of their block's shared memory."""
        phase = lanes // min(WARP, 4 * BANKS // size)
        words = addresses[:, None] // 4 + np.arange(max(1, size // 4))
        distinct = np.unique(phase[:, None] * PHASE + words)  # a word that several lanes want is fetched once
        phases, number = np.unique(distinct // PHASE, return_inverse=True)
        of_bank = np.bincount(number * BANKS + distinct % BANKS, minlength=len(phases) * BANKS)
        traffic = self.shared[kind]
        traffic.requests += len(phases)
        traffic.moved += int(of_bank.reshape(-1, BANKS).max(1).sum())
        traffic.bytes += len(lanes) * size

    def count_global(self, kind: str, buffer: str, lanes: Array, addresses: Array, size: int) -> None:
        """An access of these lanes to one buffer."""
        warps = lanes // WARP
        traffic = self.global_[kind, buffer]
        traffic.requests += len(np.unique(warps))
        traffic.moved += len(np.unique(warps << 48 | addresses // SECTOR))
        traffic.bytes += len(lanes) * size
