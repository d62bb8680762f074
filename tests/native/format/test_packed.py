"""Every fault of a packed convolution is refused by the library with a line that names it."""

from __future__ import annotations

import ctypes
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.native.native_binding import LIBRARY, Arguments, NativeError, PatternConv
from tests.support.cases import draw_packed


def small() -> Arguments:
    """Two groups of 3 -> 5 channels in blocks of 4x2, several patterns of two positions of 3x3, padding in all."""
    rng = np.random.default_rng(1)
    packed = draw_packed(rng, out_channels=10, in_channels=6, group=2, entries=2, patterns=8, block=(4, 2), keep=0.9)
    return Arguments.of(packed, rng.standard_normal(10).astype(np.float32))


def put(name, at, value):
    """A change of one number of an array."""

    def change(arguments):
        array = arguments.arrays[name].copy()
        array[at] = value
        return replace(arguments, arrays={**arguments.arrays, name: array})

    return change


def array(name, changed):
    """A change of a whole array."""
    return lambda a: replace(a, arrays={**a.arrays, name: changed(a.arrays[name])})


def attribute(**values):
    return lambda a: replace(a, **values)


def swapped(a):
    """The first two kernels in the wrong order."""
    rows = np.array([1, 0, *range(2, len(a.arrays["filters"]))])
    return replace(a, arrays={**a.arrays, **{n: a.arrays[n][rows] for n in ("W", "filters", "channels", "patterns")}})


def doubled(a):
    rows = np.array([0, *range(len(a.arrays["filters"]))])
    return replace(a, arrays={**a.arrays, **{n: a.arrays[n][rows] for n in ("W", "filters", "channels", "patterns")}})


def overlapping(a):
    """One kernel, twice, with two patterns that share a position."""
    arrays = {n: np.repeat(a.arrays[n][:1], 2, axis=0) for n in ("W", "filters", "channels", "patterns")}
    arrays["patterns"] = np.array([0, 1], np.uint8)
    return replace(a, pool=[3, 5, 5, 8], arrays={**a.arrays, **arrays})


def weight_on_padding(name):
    """One weight on the padding of one side, where the other side has a channel."""

    def change(a):
        bo, bi = a.block
        outputs, inputs = a.arrays["order"].reshape(-1, bo), a.arrays["in_order"].reshape(-1, bi)
        filters, channels = a.arrays["filters"], a.arrays["channels"]
        outputs, inputs = outputs[filters], inputs[filters // (len(outputs) // 2) * (len(inputs) // 2) + channels]
        real = {"order": outputs[:, None, :] >= 0, "in_order": inputs[:, :, None] >= 0}
        other = real["in_order" if name == "order" else "order"]
        k, i, j = np.argwhere(~real[name] & other)[0]
        return put("W", (k, i * a.entries, j), 1)(a)

    return change


def foreign(a):
    """The first output channel of both groups exchanged."""
    order = a.arrays["order"].copy()
    half = len(order) // 2
    i, j = (start + np.flatnonzero(order[start : start + half] >= 0)[0] for start in (0, half))
    order[[i, j]] = order[[j, i]]
    return replace(a, arrays={**a.arrays, "order": order})


def repeated(a):
    order = a.arrays["order"].copy()
    first, second = np.flatnonzero(order >= 0)[:2]
    order[second] = order[first]
    return replace(a, arrays={**a.arrays, "order": order})


def lost(a):
    order = a.arrays["in_order"].copy()
    order[np.flatnonzero(order >= 0)[0]] = -1
    return replace(a, arrays={**a.arrays, "in_order": order})


FAULTS = {
    "layout": (attribute(layout="NHWC"), 'layout = "NHWC"'),
    "kernel_shape of one": (attribute(kernel_shape=[3]), "kernel_shape has 1 numbers, not 2"),
    "kernel_shape of zero": (attribute(kernel_shape=[3, 0]), "kernel_shape = 0, not in 1..65535"),
    "absurd kernel_shape": (attribute(kernel_shape=[2**62, 3]), f"kernel_shape = {2**62}"),
    "strides of three": (attribute(strides=[1, 1, 1]), "strides has 3 numbers"),
    "strides of zero": (attribute(strides=[0, 1]), "strides = 0"),
    "absurd strides": (attribute(strides=[1, 2**63 - 1]), "strides = 9223372036854775807"),
    "pads of two": (attribute(pads=[1, 1]), "pads has 2 numbers, not 4"),
    "negative pads": (attribute(pads=[0, 0, -1, 0]), "pads = -1"),
    "absurd pads": (attribute(pads=[2**40] * 4), f"pads = {2**40}"),
    "dilations of none": (attribute(dilations=[]), "dilations has 0 numbers"),
    "absurd dilations": (attribute(dilations=[2**33, 1]), f"dilations = {2**33}"),
    "block of one": (attribute(block=[4]), "block has 1 numbers"),
    "block of zero": (attribute(block=[0, 2]), "block = 0"),
    "absurd block": (attribute(block=[2**62, 2]), f"block = {2**62}"),
    "group of zero": (attribute(group=0), "group = 0"),
    "absurd group": (attribute(group=2**62), f"group = {2**62}"),
    "group that does not divide": (attribute(group=4), "in_channels = 6 is no multiple of group = 4"),
    "group that divides the input alone": (attribute(group=3), "out_channels = 10 is no multiple of group = 3"),
    "no input channels": (attribute(in_channels=0), "in_channels = 0"),
    "absurd in_channels": (attribute(in_channels=2**62), f"in_channels = {2**62}"),
    "negative out_channels": (attribute(out_channels=-2), "out_channels = -2"),
    "other out_channels": (attribute(out_channels=8), "order has shape (16), not (8)"),
    "entries of zero": (attribute(entries=0), "entries = 0, not in 1..9"),
    "more entries than positions": (attribute(entries=10), "entries = 10, not in 1..9"),
    "pool that does not divide": (attribute(pool=[0, 1, 2]), "pool has 3 numbers, no multiple of entries = 2"),
    "no pool": (attribute(pool=[]), "patterns in pool = 0, not in 1..256"),
    "pool of 257 patterns": (attribute(pool=[0, 1] * 257), "patterns in pool = 257"),
    "negative position": (attribute(pool=[-1, 1]), "pool[0] = -1"),
    "position outside of the kernel": (attribute(pool=[0, 9]), "pool[1] = 9, but kernel_shape has 9 positions"),
    "pattern that does not ascend": (attribute(pool=[0, 1, 4, 4]), "pool[3] = 4 after 4"),
    "clip_min above clip_max": (attribute(clip_min=2, clip_max=1), "clip_min = 2 is not at most clip_max = 1"),
    "clip of NaN": (attribute(clip_max=math.nan), "clip_max = nan"),
    "unknown type": (attribute(type=11), "X has element type 11, not 1 (float32) or 10 (float16)"),
    "unknown weight type": (attribute(weight_type=0), "W has element type 0"),
    "weights wider than X": (attribute(type=10, weight_type=1), "W is float32, wider than X, which is float16"),
    "W of rank 2": (array("W", lambda w: w[0]), "W has rank 2, not 3"),
    "W of other entries": (array("W", lambda w: w[:, 1:]), "W has shape ("),
    "W of other bo": (array("W", lambda w: w[:, :, 1:]), "W has shape ("),
    "fewer filters": (array("filters", lambda f: f[1:]), "filters has shape ("),
    "filters of rank 2": (array("filters", lambda f: f[None]), "filters has shape (1, "),
    "fewer channels": (array("channels", lambda c: c[1:]), "channels has shape ("),
    "fewer patterns": (array("patterns", lambda p: p[1:]), "patterns has shape ("),
    "shorter order": (array("order", lambda o: o[1:]), "order has shape (15), not (16)"),
    "longer in_order": (array("in_order", lambda o: np.append(o, -1)), "in_order has shape (9), not (8)"),
    "shorter B": (array("B", lambda b: b[1:]), "B has shape (9), not (10)"),
    "negative filter": (put("filters", 0, -1), "filters[0] = -1, but there are 4 blocks"),
    "filter beyond the last": (put("filters", -1, 4), "= 4, but there are 4 blocks of output channels"),
    "negative channel": (put("channels", 0, -1), "channels[0] = -1, but there are 2 blocks"),
    "channel beyond the last": (put("channels", -1, 2), "= 2, but there are 2 blocks of input channels"),
    "absurd channel": (put("channels", 0, 2**31 - 1), "channels[0] = 2147483647"),
    "pattern beyond the last": (put("patterns", 0, 255), "patterns[0] = 255, but the pool has "),
    "kernels that do not ascend": (swapped, "(filters, channels, patterns)[1] = ("),
    "kernel that is there twice": (doubled, "does not ascend"),
    "patterns that overlap": (overlapping, "patterns[1] = 1 overlaps another pattern"),
    "order below -1": (put("order", 0, -2), "order[0] = -2, not in -1..9"),
    "order beyond the last": (put("order", 0, 10), "order[0] = 10, not in -1..9"),
    "in_order beyond the last": (put("in_order", 0, 6), "in_order[0] = 6, not in -1..5"),
    "order across groups": (foreign, "is outside of its group"),
    "channel that is there twice": (repeated, "is there twice"),
    "channel that is not there": (lost, "in_order has 5 of 6 channels"),
    "weight on output padding": (weight_on_padding("order"), "is on the padding of order, which must be zero"),
    "weight on input padding": (weight_on_padding("in_order"), "is on the padding of in_order, which must be zero"),
}  # fmt: skip


def test_the_convolution_that_the_faults_spoil_is_accepted():
    assert PatternConv(small()).prepare((1, 6, 9, 9))[0] == (1, 10, 7, 7)


@pytest.mark.parametrize("name", ["order", "in_order"])
def test_float16_weights_on_padding_are_refused(name):
    change = weight_on_padding(name)
    with pytest.raises(NativeError, match=f"= 1 is on the padding of {name}"):
        PatternConv(array("W", lambda w: w.astype(np.float16))(change(small())))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault):
    change, message = FAULTS[fault]
    with pytest.raises(NativeError) as caught:
        PatternConv(change(small()))
    line = str(caught.value)
    assert line.startswith("PatternConv: ")
    assert "\n" not in line
    assert message in line


def test_a_line_longer_than_the_buffer_is_cut():
    error = ctypes.create_string_buffer(b"x" * 40, 40)
    struct = attribute(layout="N" * 500)(small()).struct()
    assert not LIBRARY.cct_pattern_conv_create(ctypes.byref(struct), None, error, 20)
    assert error.raw[19:21] == b"\0x"
