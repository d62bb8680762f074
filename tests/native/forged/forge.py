"""Forged models: valid packed ones in which something was changed at random. A seed makes the same one again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from tests.native.forged.draws import FLOATS, NUMBERS, Array, Rng, pick
from tests.native.forged.mutate_arrays import (
    change_data,
    change_dims,
    change_dtype,
    change_indices,
    change_rows,
    change_shape,
    change_values,
)
from tests.native.forged.mutate_graph import (
    change_attribute,
    change_geometry,
    change_inputs,
    change_model,
    change_outputs,
    change_stated_shape,
    move_node,
)
from tests.native.native_binding import Arguments
from tests.support.cases import Case

MUTATIONS: tuple[Callable[[Rng, onnx.ModelProto], None], ...] = (
    change_indices, change_indices, change_rows, change_values, change_shape, change_shape, change_dims, change_data,
    change_dtype, change_attribute, change_attribute, change_attribute, change_geometry, change_geometry,
    change_inputs, change_outputs, change_stated_shape, move_node, change_model,
)  # fmt: skip
WINDOW = (1, 1, 2, 3, 7, 255, 65534, 65535)


def forge(seed: int, models: list[bytes]) -> bytes:
    """One forged file, made of one of the models."""
    rng = np.random.default_rng(seed)
    model = onnx.load_from_string(models[rng.integers(len(models))])
    for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 3])):
        try:
            MUTATIONS[rng.integers(len(MUTATIONS))](rng, model)
        except Exception:
            continue  # what was changed before leaves nothing to change here
    content = model.SerializeToString()
    return change_bytes(rng, content) if rng.random() < 0.15 else content


def change_bytes(rng: Rng, content: bytes) -> bytes:
    """The file as bytes: flipped, cut out, doubled, cut off."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        if not data:
            break
        at, length = int(rng.integers(len(data))), int(rng.integers(1, 40))
        how = rng.integers(6)
        if how < 2:
            data[at] ^= 1 << int(rng.integers(8))
        elif how == 2:
            data[at] = int(rng.choice([0, 1, 127, 128, 255]))
        elif how == 3:
            del data[at : at + length]
        elif how == 4:
            data[at:at] = data[at : at + length] if rng.random() < 0.5 else rng.bytes(length)
        elif rng.random() < 0.2:
            del data[at:]
    return bytes(data)


def forge_arguments(rng: Rng, case: Case) -> Arguments:
    """What the C functions are told of a case, with another window and sometimes a number that is not allowed."""
    stated = Arguments.of(case.packed, case.bias, **case.geometry, **case.clip)
    for name in ("strides", "pads", "dilations", "kernel_shape"):
        if rng.random() < 0.4:
            setattr(stated, name, [pick(rng, WINDOW) for _ in getattr(stated, name)])
    if rng.random() < 0.1:
        setattr(stated, pick(rng, ["group", "in_channels", "out_channels", "entries"]), pick(rng, NUMBERS))
    return stated


def odd_shape(rng: Rng, channels: int) -> tuple[int, ...]:
    """Of an X that need not exist: small, or as large as numbers get."""
    sizes = [pick(rng, NUMBERS) if rng.random() < 0.3 else int(rng.integers(40)) for _ in range(4)]
    height, width = (65536 if size == 2**31 - 1 else size for size in sizes[2:])  # that many take seconds
    return (sizes[0], channels if rng.random() < 0.9 else sizes[1], height, width)


def odd_feeds(rng: Rng, feeds: dict[str, Array]) -> dict[str, Array]:
    """The same inputs with one of another shape or type."""
    name = list(feeds)[rng.integers(len(feeds))]
    array = feeds[name]
    changed = [
        array[:0],
        array[:, :0],
        array[..., :0],
        array[..., :1, :1],
        array[0],
        array[None],
        array.astype(np.float64),
        array.astype(np.float16),
        np.concatenate([array, array], axis=1),
        np.full_like(array, FLOATS[rng.integers(len(FLOATS))]),
        np.resize(array, (*array.shape[:2], 1, 5000)),
        np.resize(array, (*array.shape[:2], 3000, 1)),
        np.resize(array, (9, *array.shape[1:])),
        np.zeros(1, np.float32),
        np.zeros((), np.float32),
    ]
    return {**feeds, name: changed[rng.integers(len(changed))]}
