"""The cases of the self-test: at least one for each routine, tile and way through them, on the CPU and on any GPU."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from cct.operator.spec import VARIANTS
from cct.operator.types import TYPES
from cct.selftest.case import Case, draw_packed, draw_values


@dataclass(frozen=True)
class Spec:
    """A case in words.

    Attributes:
        shape: of X: images, channels, height, width.
        outputs: output channels.
        block: output x input channels.
        types: a key of `cct.operator.types.TYPES`.
        window, strides, dilations, pads: as ONNX's Conv has them.
        entries: positions of a pattern.
        patterns: of the pool.
        keep: share of the blocks that keep a pattern or two.
        act: a key of `case.CLIPS`.
        residual: whether there is a Z.
        exact: float32 stays without tensor cores on CUDA, by the provider's option use_tf32=0.
    """

    shape: tuple[int, int, int, int]
    outputs: int
    block: tuple[int, int] = (64, 8)
    types: str = "float16"
    window: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (1, 1, 1, 1)
    group: int = 1
    entries: int = 4
    patterns: int = 8
    keep: float = 0.6
    act: str = "none"
    residual: bool = False
    exact: bool = False

    @property
    def tf32(self) -> bool:
        """Whether X and W are float32 that a GPU may round."""
        return TYPES[self.types].tf32 and not self.exact

    def __str__(self) -> str:
        """What is not the default."""
        words = [self.types, f"{_times(self.shape)} to {self.outputs}", f"block {_times(self.block)}"]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("shape", "outputs", "block", "types") and value != field.default:
                words.append(f"{field.name} {_times(value) if isinstance(value, tuple) else value}")
        return ", ".join(words)

    @property
    def form(self) -> str:
        """Name of the operator."""
        return VARIANTS[self.act + "_add" * self.residual]

    def draw(self, seed: int = 0) -> Case:
        """The case, with normal values; at least one block is kept, unless none shall be."""
        rng = np.random.default_rng(seed)
        while True:
            packed = draw_packed(
                rng,
                out_channels=self.outputs,
                in_channels=self.shape[1],
                group=self.group,
                kernel=self.window,
                entries=self.entries,
                patterns=self.patterns,
                block=self.block,
                keep=self.keep,
            )
            if len(packed.filters) or not self.keep:
                break
        geometry = {"strides": self.strides, "dilations": self.dilations, "pads": self.pads}
        return draw_values(rng, packed, self.shape, geometry, self.act, self.residual).cast(self.types)


def _times(numbers: tuple[int, ...]) -> str:
    return "x".join(map(str, numbers))


_NONE = (0, 0, 0, 0)

# Tensor cores, rows of a multiple of 4 or 8 pixels: halo, with each of its tiles.
_HALO = (
    Spec((1, 64, 56, 56), 64, act="relu"),
    Spec((2, 32, 16, 16), 64, residual=True, act="relu"),
    Spec((1, 32, 24, 48), 128, block=(128, 8)),
    Spec((8, 16, 112, 112), 64, act="clip"),
    Spec((2, 72, 23, 32), 40, residual=True, act="clip"),
    Spec((2, 40, 15, 32), 136, block=(128, 8), residual=True, act="relu"),
    Spec((1, 256, 16, 16), 128, block=(128, 8), act="clip"),
    Spec((1, 20, 9, 24), 136, block=(4, 1), keep=0.3, act="relu"),
    Spec((1, 16, 8, 32), 70, block=(16, 8)),
    Spec((2, 64, 28, 28), 64, act="relu"),
    Spec((1, 24, 28, 28), 136, block=(128, 8), residual=True, act="clip"),
    Spec((3, 40, 13, 20), 72, residual=True, act="relu"),
    Spec((1, 8, 3, 8), 8, block=(8, 8), keep=1.0),
    Spec((2, 256, 8, 8), 64, residual=True),  # so few tiles that the sum is split
    Spec((1, 24, 16, 16), 24, group=3, block=(8, 8)),
    Spec((1, 64, 32, 32), 64, block=(1, 1), keep=0.25),
)

# Tensor cores, 1x1 on planes of a multiple of 4 or 8 pixels.
_POINTWISE = tuple(
    replace(spec, window=(1, 1), entries=1, patterns=1, pads=_NONE)
    for spec in (
        Spec((2, 64, 28, 28), 64, residual=True, act="relu"),
        Spec((1, 40, 14, 14), 64, act="clip"),
        Spec((3, 24, 6, 10), 136, block=(128, 8), residual=True),
        Spec((1, 1024, 8, 8), 64, residual=True, act="relu"),  # so few tiles that the sum is split
        Spec((8, 16, 80, 80), 64, act="relu"),
        Spec((8, 16, 80, 80), 128, block=(128, 8), residual=True, keep=0.8),
        Spec((8, 16, 78, 78), 64, keep=1.0),
        Spec((8, 16, 78, 78), 128, block=(128, 8), act="clip", keep=0.8),
    )
)

# Tensor cores, anything else: gather, with each of its tiles.
_GATHER = (
    Spec((2, 64, 14, 14), 64, act="relu"),
    Spec((2, 256, 7, 7), 256, keep=0.4, residual=True, act="relu"),
    Spec((5, 32, 3, 3), 64, residual=True),
    Spec((8, 8, 79, 79), 64, residual=True, act="clip"),
    Spec((8, 32, 57, 57), 64, window=(1, 1), entries=1, pads=_NONE, act="relu"),
    Spec((8, 32, 67, 67), 128, block=(128, 8), window=(1, 1), entries=1, pads=_NONE),
    Spec((8, 16, 95, 95), 128, block=(128, 8), strides=(2, 2), residual=True, act="relu"),
    Spec((8, 16, 99, 99), 64, strides=(2, 2), act="clip"),
    Spec((1, 64, 56, 56), 128, strides=(2, 2), act="relu"),
    Spec((1, 64, 28, 28), 128, window=(1, 1), entries=1, pads=_NONE, strides=(2, 2)),
    Spec((1, 16, 13, 10), 32, strides=(1, 2), pads=(2, 0, 1, 3), residual=True, keep=1.0),
    Spec((1, 16, 21, 21), 64, dilations=(2, 3), pads=(2, 3, 2, 3)),
    Spec((1, 16, 15, 15), 64, window=(5, 5), entries=25, patterns=1, pads=(2, 2, 2, 2)),
    Spec((1, 24, 9, 12), 64, window=(2, 3), entries=3, pads=(0, 1, 1, 1), act="clip"),
    Spec((1, 20, 9, 9), 70, block=(4, 1), keep=0.3),
    Spec((1, 72, 11, 11), 96, block=(32, 8)),
    Spec((1, 6, 9, 7), 10, block=(3, 2), residual=True, keep=1.0),
    Spec((1, 8, 1, 1), 8, block=(8, 8), entries=9, patterns=1, keep=1.0),
    Spec((3, 128, 10, 9), 64, block=(1, 1), keep=0.25, act="relu"),
)

# Too few weights for a tile, or too many positions: float16 without tensor cores.
_PLAIN_FLOAT16 = (
    Spec((2, 32, 12, 12), 32, group=32, block=(1, 1), keep=1.0, act="relu"),
    Spec((1, 8, 20, 20), 16, block=(4, 1), window=(7, 7), entries=49, patterns=1, pads=(3, 3, 3, 3), strides=(2, 2)),
    Spec((2, 16, 8, 16), 32, keep=0.0, residual=True, act="relu"),  # bias and Z alone
)

# float32 on tensor cores: halo, pointwise and gather again, with each of their tiles.
_TF32 = (
    Spec((2, 32, 16, 16), 64, residual=True, act="relu"),
    Spec((8, 16, 80, 80), 64, window=(1, 1), entries=1, patterns=1, pads=_NONE, act="relu"),
    Spec((8, 16, 80, 80), 128, block=(128, 8), window=(1, 1), entries=1, patterns=1, pads=_NONE, residual=True),
    Spec((1, 64, 56, 56), 64, act="relu"),
    Spec((2, 40, 15, 32), 136, block=(128, 8), residual=True, act="relu"),
    Spec((2, 256, 7, 7), 256, keep=0.4, residual=True, act="relu"),  # so few tiles that the sum is split
    Spec((5, 32, 3, 3), 64, residual=True),
    Spec((8, 8, 79, 79), 64, residual=True, act="clip"),
    Spec((8, 16, 99, 99), 64, strides=(2, 2), act="clip"),
    Spec((8, 32, 67, 67), 128, block=(128, 8), window=(1, 1), entries=1, pads=_NONE),
    Spec((1, 1024, 8, 8), 64, window=(1, 1), entries=1, patterns=1, pads=_NONE, residual=True, act="relu"),
    Spec((1, 16, 13, 10), 32, strides=(1, 2), pads=(2, 0, 1, 3), residual=True, keep=1.0),
    Spec((1, 16, 21, 21), 64, dilations=(2, 3), pads=(2, 3, 2, 3)),
    Spec((1, 16, 15, 15), 64, window=(5, 5), entries=25, patterns=1, pads=(2, 2, 2, 2)),
    Spec((1, 20, 9, 9), 70, block=(4, 1), keep=0.3),
    Spec((1, 24, 16, 16), 24, group=3, block=(8, 8)),
    Spec((3, 128, 10, 9), 64, block=(1, 1), keep=0.25, act="relu"),
)

# float32 without.
_SINGLE = (
    Spec((1, 64, 28, 28), 64, block=(4, 1), keep=0.3, act="relu"),
    Spec((1, 64, 28, 28), 64, block=(1, 1), keep=0.3, act="relu"),
    Spec((2, 32, 14, 14), 64, residual=True, act="relu"),
    Spec((1, 16, 56, 56), 32, block=(4, 1), act="clip"),
    Spec((1, 16, 33, 33), 20, block=(1, 1), strides=(2, 2), residual=True),
    Spec((2, 7, 9, 5), 9, block=(3, 2), residual=True, act="clip"),
    Spec((1, 4, 15, 15), 5, block=(1, 1), strides=(3, 2), pads=(0, 1, 2, 3), dilations=(2, 1)),
    Spec((1, 12, 6, 6), 12, block=(4, 1), group=3),
    Spec((1, 3, 20, 20), 4, block=(4, 1), window=(7, 7), entries=20, pads=_NONE, keep=1.0),
    Spec((2, 8, 9, 9), 20, block=(1, 1), window=(1, 1), entries=1, pads=_NONE),
    Spec((2, 64, 14, 14), 32, block=(4, 1), window=(1, 1), entries=1, pads=_NONE, act="relu"),
    Spec((1, 128, 7, 7), 64, block=(4, 1), keep=0.3),
    Spec((1, 128, 7, 7), 64, block=(1, 1), keep=0.3),
    Spec((1, 8, 5, 5), 8, block=(1, 1), keep=0.0, residual=True),
    Spec((2, 6, 10, 10), 6, block=(1, 1), group=6, keep=1.0, act="relu"),
)

SPECS = (
    *_HALO,
    *_POINTWISE,
    *_GATHER,
    *_PLAIN_FLOAT16,
    *(replace(spec, types="float32") for spec in _TF32),
    *(replace(spec, types="float16 weights") for spec in _TF32[:2]),
    *(replace(spec, types=types, exact=True) for types in ("float32", "float16 weights") for spec in _SINGLE),
)
