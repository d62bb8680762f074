"""The host side of the CUDA routines: the library's own code, on a driver that runs its launches in the emulator."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native.cuda.device_cases import SAME, SPECS, Spec
from tests.native.cuda.host import DEVICES, STREAM, Gpu, conv_of, meant_by
from tests.native.cuda.launch import TILES
from tests.native.cuda.slabs import Geometry, plain_tables, slab_tables
from tests.native.native_binding import NativeError
from tests.support.cases import TYPES, cases


@pytest.fixture(scope="session")
def gpu(cuda_library, mock_driver) -> Gpu:
    return Gpu(cuda_library, mock_driver)


@pytest.fixture
def no_run(monkeypatch):
    """Launches are recorded only: what a rule chooses can be asked for images of any size."""
    monkeypatch.setenv("CCT_MOCK_RUN", "0")


def computes(gpu, spec, device=0, tf32=True):
    """The launches of a case, whose result is right."""
    case = spec.draw()
    launches = computes_case(gpu, case, device, tf32)
    assert {launched.stream for launched in launches} == {STREAM}
    return launches


def computes_case(gpu, case, device=0, tf32=True):
    gpu.launches()
    y = conv_of(gpu, case, device, tf32).run(case.x, case.z)
    launches = gpu.launches()
    meant = meant_by(case, launches)
    wrong = ~(abs(y.astype(np.float64) - meant.expected()) <= meant.bound())
    assert y.dtype == case.x.dtype
    assert not wrong.any(), f"{wrong.sum()} of {y.size} outputs are wrong"
    return launches


# ---------------------------------------------------------------- results


def numbers_of(kernel):
    """Types of X that the host's tests run its shapes in: small and odd ones in both."""
    return [TILES[kernel].number] if kernel in TILES else [kernel.removeprefix("cct_plain_")]


@pytest.mark.parametrize(
    "spec",
    dict.fromkeys(replace(s, kernel=number, parts=1) for s in SPECS for number in numbers_of(s.kernel)),
    ids=str,
)
def test_every_shape_is_computed(gpu, spec):
    """By whichever kernels the rule chooses: the kernels' own tests choose theirs."""
    computes(gpu, spec)


@st.composite
def wide_specs(draw, number):
    """Enough channels that tensor cores are worth it, in small images."""
    window, strides, pads, dilations = draw(
        st.sampled_from([
            ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1)), ((3, 3), (1, 1), (1, 1, 1, 1), (1, 1)),
            ((3, 3), (2, 2), (1, 1, 1, 1), (1, 1)), ((3, 3), (1, 2), (2, 0, 1, 3), (1, 2)),
            ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1)), ((1, 1), (2, 1), (0, 1, 0, 0), (1, 1)),
            ((5, 5), (1, 1), (2, 2, 2, 2), (1, 1)),
        ])
    )  # fmt: skip
    height, width = draw(st.integers(5, 12)), draw(st.sampled_from([5, 7, 8, 12, 16, 24]))
    group = draw(st.sampled_from([1, 1, 2]))
    return Spec(
        number,
        (draw(st.integers(1, 3)), group * draw(st.integers(9, 40)), height, width),
        group * draw(st.integers(40, 140)),
        window=window,
        geometry=Geometry(strides, pads, dilations),
        group=group,
        block=draw(st.sampled_from([(64, 8), (8, 8), (4, 1), (3, 5)])),
        entries=1 if window == (1, 1) else draw(st.integers(3, 9)),
        keep=draw(st.sampled_from([0.3, 1.0])),
        act=draw(st.sampled_from(["none", "relu", "clip"])),
        residual=draw(st.booleans()),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(wide_specs("float16"), st.sampled_from(["8.0", "9.0", "8.6 with 4 multiprocessors"]))
def test_tensor_cores_compute_any_case(gpu, spec, device):
    launches = computes(gpu, spec, DEVICES[device])
    tensor_cores = launches[0].kernel.startswith(("cct_halo", "cct_pointwise", "cct_to_chunks"))
    assert tensor_cores or spec.keep < 1 or device.startswith("8.6")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(wide_specs("float32"), st.sampled_from(["8.0", "9.0", "8.6 with 4 multiprocessors"]))
def test_tensor_cores_compute_any_case_of_float32(gpu, spec, device):
    launches = computes(gpu, spec, DEVICES[device])
    assert launches[0].kernel.endswith("tf32") or spec.keep < 1 or spec.block == (3, 5) or device.startswith("8.6")
    exact = computes(gpu, spec, DEVICES[device], tf32=False)
    assert [launched.kernel for launched in exact] == ["cct_plain_float32"]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(max_size=14), st.sampled_from(list(TYPES)), st.sampled_from(["8.0", "7.5"]))
def test_any_case_is_computed(gpu, case, types, device):
    """Mostly by plain: they have few channels."""
    computes_case(gpu, case.cast(types), DEVICES[device])


@pytest.mark.parametrize("number", ["float16", "float32"])
@pytest.mark.parametrize("device", ["7.5", "9.0", "12.0", "8.6 with 4 multiprocessors"])
@pytest.mark.parametrize("shape", [(2, 24, 9, 7), (1, 40, 6, 16)])
def test_other_devices_compute_the_same(gpu, device, shape, number):
    launches = computes(gpu, Spec(number, shape, 72, residual=True, act="relu"), DEVICES[device])
    assert (launches[0].kernel == f"cct_plain_{number}") == (device == "7.5")


@pytest.mark.parametrize("tf32", [True, False])
def test_float16_weights_of_a_float32_convolution_are_widened(gpu, tf32):
    case = Spec("float32", (1, 16, 12, 12), 40, block=(8, 1)).draw().cast("float16 weights")
    launches = computes_case(gpu, case, tf32=tf32)
    assert (launches[0].kernel == "cct_plain_float32") == (not tf32)


def test_no_images_are_no_work(gpu):
    case = Spec("float16", (1, 16, 12, 16), 32).draw()
    gpu.launches()
    assert conv_of(gpu, case).run(case.x[:0]).shape == (0, 32, 12, 16)
    assert gpu.launches() == []


# ---------------------------------------------------------------- tables


def read(pointer, like):
    return np.frombuffer(ctypes.string_at(pointer, like.nbytes), like.dtype).reshape(like.shape)


@pytest.mark.parametrize("number", ["float16", "float32"])
@pytest.mark.parametrize(
    "spec",
    [
        Spec("float16", (1, 20, 9, 24), 136, block=(4, 1), keep=0.3),
        Spec("float16", (1, 40, 8, 8), 70, block=(3, 5), keep=0.4),
        Spec("float16", (1, 72, 8, 8), 96, window=(1, 1), entries=1, geometry=Geometry(), keep=0.8),
        Spec("float16", (1, 96, 8, 8), 96, group=2, block=(16, 8)),
        Spec("float16", (1, 16, 8, 8), 64, window=(5, 5), entries=9, geometry=Geometry((1, 2), (2, 0, 1, 3), (1, 2))),
    ],
    ids=str,
)
def test_slabs_are_those_of_the_dense_weight(gpu, spec, number, no_run):
    case = replace(spec, kernel=number).draw()
    gpu.launches()
    conv = conv_of(gpu, case)
    conv.run(case.x)
    (launched,) = (launched for launched in gpu.launches() if launched.kernel in TILES)
    slabs, ending = launched.arguments.slabs, launched.arguments.ending
    expected = slab_tables(case.packed, case.bias, Geometry(**case.geometry), TILES[launched.kernel])
    assert (slabs.out_tiles, slabs.max_slabs) == expected.weights.shape[:2]
    assert slabs.tap_count == len(expected.taps)
    for owner, names in ((slabs, ("counts", "taps")), (ending, ("outputs", "bias"))):
        for name in names:
            assert np.array_equal(read(getattr(owner, name), getattr(expected, name)), getattr(expected, name)), name
    weights, steps = read(slabs.weights, expected.weights), read(slabs.steps, expected.steps)
    for tile, count in enumerate(expected.counts):
        assert np.array_equal(steps[tile, :count], expected.steps[tile, :count])
        assert np.array_equal(weights[tile, :count], expected.weights[tile, :count])


@pytest.mark.parametrize("block", [(4, 1), (3, 2), (1, 1), (8, 8)])
def test_quads_are_those_of_the_dense_weight(gpu, block, no_run):
    case = Spec("float32", (1, 12, 9, 9), 21, group=3, block=block, keep=0.4).draw()
    gpu.launches()
    conv = conv_of(gpu, case, tf32=False)
    conv.run(case.x)
    (launched,) = gpu.launches()
    for name, expected in vars(plain_tables(case.packed, case.bias, Geometry(**case.geometry))).items():
        assert np.array_equal(read(getattr(launched.arguments, name), expected), expected), name


BITS = {
    "a tie of 1": (0x3F801000, 0x3F802000),
    "a tie of 1, less": (0x3F800FFF, 0x3F800000),
    "a tie of -1": (0xBF801000, 0xBF802000),
    "a tie below 1": (0x3F7FF000, 0x3F800000),
    "1 - 2^-11": (0x3F7FE000, 0x3F7FE000),
    "the largest": (0x7F7FFFFF, 0x7F800000),
    "minus the largest": (0xFF7FFFFF, 0xFF800000),
    "infinity": (0x7F800000, 0x7F800000),
    "the last NaN": (0x7FFFFFFF, None),
    "the last negative NaN": (0xFFFFFFFF, None),
    "the first NaN": (0x7F800001, None),
    "the least": (0x00000001, 0x00000000),
    "a tie of zero": (0x00001000, 0x00002000),
    "a tie of minus zero": (0x80001000, 0x80002000),
    "the largest subnormal": (0x007FFFFF, 0x00800000),
    "minus zero": (0x80000000, 0x80000000),
}


@pytest.mark.parametrize(("bits", "expected"), BITS.values(), ids=list(BITS))
def test_weights_are_rounded_to_the_nearest(gpu, no_run, bits, expected):
    """Ties away from zero; a NaN, expected None, stays one, though rounding would carry into its sign."""
    case = Spec("float32", (1, 4, 8, 8), 64, block=(64, 4)).draw()
    case.packed.W.view(np.uint32)[...] = bits
    conv = conv_of(gpu, case)
    gpu.launches()
    conv.run(case.x)
    (launched,) = (launched for launched in gpu.launches() if launched.kernel in TILES)
    slabs = launched.arguments.slabs
    weights = read(slabs.weights, np.empty((slabs.out_tiles, slabs.max_slabs, 64, 16), np.uint32))
    assert case.packed.W.size <= weights.size
    stored = np.unique(weights[0, 0, :, 0])
    if expected is None:
        assert np.isnan(stored.view(np.float32)).all()
    else:
        assert [f"{number:08x}" for number in stored] == [f"{expected:08x}"]


# ---------------------------------------------------------------- which kernels


def planned(gpu, spec, device="8.0"):
    """Kernels and grids that the rule chooses, for weights that are dense once channels share tiles."""
    case = replace(spec, shape=(1, spec.shape[1], 8, 8), block=(4, 1), keep=1.0).draw()
    conv = conv_of(gpu, case, DEVICES[device])
    gpu.launches()
    conv.run(np.zeros(spec.shape, case.x.dtype))
    return [(launched.kernel.removeprefix("cct_"), tuple(launched.grid)) for launched in gpu.launches()]


TO_CHUNKS, FINISH = "to_chunks_float16", "finish_float16"
ONE = {"window": (1, 1), "entries": 1, "geometry": Geometry()}
THREE = {"window": (3, 3), "entries": 4, "geometry": SAME}
PLANS = [
    ((8, 64, 56, 56), 64, THREE, [("halo_8x32x64", (112, 1, 1))]),  # as many pixels in tiles of either kind: the first
    ((9, 64, 112, 48), 64, THREE, [("halo_16x16x64", (189, 1, 1))]),  # wide tiles would leave half of their last column
    ((8, 64, 112, 112), 128, THREE, [("halo_8x16x128", (784, 1, 1))]),
    ((64, 64, 28, 28), 128, THREE, [("halo_4x32x128_by4", (448, 1, 1))]),  # rows of a multiple of 4, not of 8
    ((64, 64, 28, 28), 64, THREE, [("halo_8x32x64_by4", (256, 1, 1))]),
    # Half of a tile of halo would be empty; one tile of gather, in three parts of 8 slabs.
    ((1, 64, 8, 8), 128, THREE, [(TO_CHUNKS, (1, 8, 1)), ("gather_128x128", (1, 1, 3)), (FINISH, (1, 128, 1))]),
    # Rows of 14 pixels are no multiple of 4.
    ((512, 64, 14, 14), 64, THREE, [(TO_CHUNKS, (784, 8, 1)), ("gather_256x64", (392, 1, 1))]),
    ((80, 64, 14, 14), 64, THREE, [(TO_CHUNKS, (123, 8, 1)), ("gather_128x64", (123, 1, 1))]),
    # Fewer tiles than multiprocessors: smaller ones.
    ((32, 64, 14, 14), 64, THREE, [(TO_CHUNKS, (49, 8, 1)), ("gather_64x64", (98, 1, 2)), (FINISH, (49, 64, 1))]),
    # Fewer tiles still: parts, as many as give each multiprocessor two blocks.
    ((1, 256, 56, 56), 128, THREE, [("halo_8x16x128", (28, 1, 7)), (FINISH, (25, 128, 1))]),
    # 1x1: planes of a multiple of 8 pixels, of 4, and of neither.
    ((32, 64, 28, 28), 128, ONE, [("pointwise_128x128", (196, 1, 1))]),
    ((64, 64, 28, 28), 64, ONE, [("pointwise_256x64", (196, 1, 1))]),
    ((8, 64, 28, 28), 64, ONE, [("pointwise_64x64", (98, 1, 1))]),
    ((128, 64, 14, 14), 128, ONE, [("pointwise_128x128_by4", (196, 1, 1))]),
    ((256, 64, 14, 14), 64, ONE, [("pointwise_256x64_by4", (196, 1, 1))]),
    ((16, 64, 14, 14), 64, ONE, [("pointwise_64x64_by4", (49, 1, 1))]),
    ((1, 2048, 7, 7), 128, ONE, [(TO_CHUNKS, (1, 256, 1)), ("gather_128x128", (1, 1, 8)), (FINISH, (1, 128, 1))]),
]


TF32_PLANS = [
    ((8, 64, 56, 56), 64, THREE, [("halo_8x32x64_tf32", (112, 1, 1))]),
    ((9, 64, 112, 48), 64, THREE, [("halo_16x16x64_tf32", (189, 1, 1))]),
    ((64, 64, 28, 28), 128, THREE, [("halo_8x16x128_tf32", (512, 1, 1))]),  # a copy is 4 pixels in any case
    ((64, 64, 28, 28), 128, ONE, [("pointwise_128x128_tf32", (392, 1, 1))]),
    ((64, 64, 28, 28), 64, ONE, [("pointwise_256x64_tf32", (196, 1, 1))]),
    ((8, 64, 14, 14), 64, ONE, [("pointwise_64x64_tf32", (25, 1, 1))]),
    ((128, 64, 14, 14), 128, THREE, [("to_chunks_tf32", (196, 16, 1)), ("gather_128x128_tf32", (196, 1, 1))]),
    ((512, 64, 14, 14), 64, THREE, [("to_chunks_tf32", (784, 16, 1)), ("gather_256x64_tf32", (392, 1, 1))]),
    ((80, 64, 14, 14), 64, THREE, [("to_chunks_tf32", (123, 16, 1)), ("gather_128x64_tf32", (123, 1, 1))]),
    # One tile for all; a slab has half as many products as one of float16, so there are twice as many parts.
    (
        *((1, 64, 8, 8), 64, THREE),
        [("to_chunks_tf32", (1, 16, 1)), ("gather_64x64_tf32", (1, 1, 6)), ("finish_float32", (1, 64, 1))],
    ),
]


def test_every_tile_has_its_shapes():
    chosen = {f"cct_{name}" for *_, expected in PLANS + TF32_PLANS for name, _ in expected}
    assert set(TILES) <= chosen


@pytest.mark.parametrize(("shape", "out_channels", "window", "expected"), PLANS)
def test_the_kernel_follows_the_shape(gpu, no_run, shape, out_channels, window, expected):
    assert planned(gpu, Spec("float16", shape, out_channels, **window)) == expected


@pytest.mark.parametrize(("shape", "out_channels", "window", "expected"), TF32_PLANS)
def test_the_kernel_of_float32_follows_the_shape(gpu, no_run, shape, out_channels, window, expected):
    assert planned(gpu, Spec("float32", shape, out_channels, **window)) == expected


def test_a_process_may_forbid_tf32(gpu, no_run, monkeypatch):
    """By the variable of NVIDIA's own libraries, when the convolution is made."""
    spec = Spec("float32", (1, 64, 8, 8), 64)
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert [name for name, _ in planned(gpu, spec)] == ["plain_float32"]
    assert planned(gpu, replace(spec, kernel="float16"))[0][0] == TO_CHUNKS
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    assert planned(gpu, spec)[0][0] == "to_chunks_tf32"


def test_parts_follow_the_device(gpu, no_run):
    spec = Spec("float16", (1, 256, 56, 56), 128)
    blocks = {device: planned(gpu, spec, device)[0][1] for device in ("8.0", "9.0", "8.6 with 4 multiprocessors")}
    assert blocks == {"8.0": (28, 1, 7), "9.0": (28, 1, 8), "8.6 with 4 multiprocessors": (28, 1, 1)}


@pytest.mark.parametrize("number", ["float16", "float32"])
def test_unions_are_left_to_plain_where_tensor_cores_are_slower(gpu, no_run, number):
    """8 positions for one that is kept, in a tile with room for 64 channels: 13 times the products."""
    spec = Spec(number, (1, 64, 8, 8), 40, entries=1)
    tensor_cores = TO_CHUNKS.replace("float16", "tf32" if number == "float32" else number)
    first = {device: planned(gpu, spec, device)[0][0] for device in DEVICES if not device.startswith("7")}
    other = {"12.0": f"plain_{number}", "8.6 with 4 multiprocessors": f"plain_{number}"}
    assert first == {"8.0": tensor_cores, "9.0": tensor_cores, **other}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (Spec("float16", (1, 64, 8, 8), 64, group=64, block=(1, 1), keep=1.0), "a channel alone in each tile"),
        (Spec("float32", (1, 64, 8, 8), 64, block=(2, 4), keep=0.06), "too few weights for tf32, not for float16"),
        (Spec("float16", (1, 64, 9, 9), 64, window=(7, 7), entries=40, keep=1.0), "more than 32 taps"),
        (Spec("float16", (1, 64, 8, 8), 64, keep=0.0), "no weights"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_plain_does_the_rest(gpu, no_run, spec, why):
    case = spec.draw()
    conv = conv_of(gpu, case)
    gpu.launches()
    conv.run(case.x)
    assert [launched.kernel for launched in gpu.launches()] == [f"cct_plain_{spec.kernel}"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 63, 8, 8), "X has 63 channels, not 64"),
        ((-1, 64, 8, 8), "X has -1 images"),
        ((1, 64, 8, 0), "X has width 0"),
        ((2**40, 64, 8, 8), "pixels of Y is 70368744177664, more than the GPU's kernels count: use smaller batches"),
        ((1, 64, 2**31 - 1, 1), "height of X is 2147483649, more than the GPU's kernels count"),
        ((1, 64, 7, 2**26), "pixels of X in chunks is 3758096384, more than the GPU's kernels count"),
        ((1, 64, 2**31 - 1, 2**31 - 1), "more"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(gpu, shape, message):
    conv = conv_of(gpu, Spec("float16", (1, 64, 8, 8), 64, keep=1.0, geometry=SAME).draw())
    with pytest.raises(NativeError, match=message):
        conv.prepare(shape)
