"""The arithmetic of the estimates, on loops written by hand; and the command, on those that nvcc compiles."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision

from benchmarks.gpu import __main__ as budget_command
from benchmarks.gpu import budget, roofline
from benchmarks.gpu.budget import LAYOUTS, Costs, Work, candidates, chain_ends, chosen, moved
from benchmarks.gpu.gpus import GPUS
from benchmarks.gpu.layers import CHAIN_ENDS, DENSE, NETWORKS, REDUCTIONS, Layer
from benchmarks.gpu.loops import SlabCost, channel_last, slab_cost
from benchmarks.gpu.tables import speed_ups
from tests.native.cuda import toolchain
from tests.native.cuda.launch import TILES, Tile
from tests.native.cuda.sass import Loop, Operation
from tests.support.tools import missing

A100, H100 = GPUS["A100"], GPUS["H100"]
GATHER = Tile("gather", "gather", "float16", 1, 128, 128, 64, 64, 3, 0)
HALO = Tile("halo", "halo", "float16", 8, 16, 128, 64, 64, 3, 8)


def loop(**counts: int) -> Loop:
    return Loop([Operation(name.replace("_", "."), "", "") for name, count in counts.items() for _ in range(count)])


PRODUCTS = loop(HMMA_16816_F32=64, LDSM_16_M88_4=16, LDGSTS_E_BYPASS_128=8, LDS_64=2, IADD3=10)
HALO_PRODUCTS = loop(HMMA_16816_F32=64, LDSM_16_M88_4=16, LDSM_16_MT88_4=3, STS=12, LDGSTS_E_BYPASS_128=7, LDS_64=2)


def same_cost(tile: Tile) -> SlabCost:
    return slab_cost(tile, loop(HMMA=tile.warp_pixels * tile.warp_channels // 64, LDSM_4=1))


COMPILED = {name: same_cost(tile) for name, tile in TILES.items()}
COSTS = Costs(
    COMPILED,
    {name: cost for name, cost in COMPILED.items() if "pointwise" not in name and not name.endswith(("by4", "tf32"))},
)


def test_peaks():
    assert A100.products("float16") == pytest.approx(1024, rel=0.002)  # NVIDIA: 4 tensor cores of 256
    assert A100.products("tf32") == pytest.approx(512, rel=0.002)
    assert H100.products("float16") == pytest.approx(2048 * 0.62, rel=0.002)


def test_the_cost_of_a_slab():
    """By hand: 4 warps, 128x128 outputs of 32 products."""
    cost = slab_cost(GATHER, PRODUCTS)
    assert cost.instructions == 100
    assert cost.wavefronts == 4 * (16 * 4 + 8 * 4 + 2 * 2)
    assert cost.bytes == (128 * 32 + 128 * 32) * 2
    cycles = cost.cycles(A100)
    assert cycles["tensor"] == pytest.approx(128 * 128 * 32 / 1024, rel=0.002)
    assert (cycles["shared"], cycles["issue"]) == (400, 100)
    assert cycles["L2"] == pytest.approx(16384 / (5120 / 108))
    assert cost.bound(A100) == cycles["tensor"]
    assert cost.computed(A100) == 1


def test_a_slab_of_tf32_has_half_the_products_at_half_the_rate():
    half = slab_cost(replace(GATHER, type="tf32"), PRODUCTS)
    assert half.cycles(A100) == pytest.approx(slab_cost(GATHER, PRODUCTS).cycles(A100))
    layer = Layer(256, 64, 14, 3, 1)
    for reduction in (DENSE, *REDUCTIONS):
        assert replace(layer, number="tf32").slabs(reduction) == 2 * layer.slabs(reduction)
    assert replace(layer, number="tf32").read(8) == 2 * layer.read(8)
    assert replace(layer, number="tf32").weight_bytes(4) == 4 * layer.weights(4)


def test_an_unrolled_loop_costs_the_same():
    twice = Loop(PRODUCTS.operations * 2)
    assert slab_cost(GATHER, twice) == slab_cost(GATHER, PRODUCTS)


def test_the_slowest_part_decides():
    cost = slab_cost(GATHER, loop(HMMA=64, LDSM_4=64))
    assert cost.bound(A100) == 4 * 64 * 4
    assert cost.computed(A100) == pytest.approx(0.5, rel=0.01)


def test_channel_last_neither_transposes_nor_reads_far_beyond_the_tile():
    nchw, last = slab_cost(HALO, HALO_PRODUCTS), channel_last(HALO, HALO_PRODUCTS)
    fewer = 10 * 32 - 10 * 18  # pieces of 16 bytes
    assert nchw.bytes - last.bytes == fewer * 16
    assert nchw.wavefronts - last.wavefronts == 4 * (3 * 4 + 12) + fewer / 8
    assert nchw.instructions - last.instructions == 15 + fewer / 128


def test_slabs():
    assert Layer(256, 64, 14, 3, 1).slabs(DENSE) == 72
    assert [Layer(256, 64, 14, 3, 1).slabs(some) for some in REDUCTIONS] == [32, 18, 9]
    assert Layer(256, 64, 14, 1, 1).slabs(DENSE) == 8
    assert [Layer(256, 64, 14, 1, 1).slabs(some) for some in REDUCTIONS] == [4, 2, 1]


def test_roofline():
    layer = Layer(512, 512, 28, 3, 1)
    flops, bytes_ = 2 * 8 * 28**2 * 512 * 512 * 9, (8 * 28**2 * 512 * 2 + 512 * 512 * 9) * 2
    assert roofline.bounds(A100, layer, 8, DENSE) == pytest.approx((flops / 312e12, bytes_ / 1555e9))
    assert roofline.seconds(A100, layer, 8, DENSE) / roofline.seconds(A100, layer, 8, 4) == pytest.approx(4)
    added = roofline.bounds(A100, Layer(512, 512, 28, 3, 1, residual=True), 8, DENSE)
    assert added[1] == pytest.approx((bytes_ + 8 * 28**2 * 512 * 2) / 1555e9)
    early = Layer(64, 64, 224, 3, 1)  # memory bound: more reduction gives nothing
    assert roofline.seconds(A100, early, 8, 4) == pytest.approx(roofline.seconds(A100, early, 8, 8), rel=0.01)


def test_half_the_cache_is_the_limit():
    assert moved(A100, 20e6) == 20e6 / A100.l2_rate
    assert moved(A100, 21e6) == 21e6 / 1555e9
    assert chain_ends(A100, 32, [(64, 224)]) == 2 * 32 * 64 * 224**2 * 2 / 1555e9


def test_the_time_of_a_plan():
    """One block a multiprocessor, then one more."""
    work = Work(Layer(512, 64, 56, 3, 1), 1, 4.0)
    cost = COSTS.compiled["cct_halo_16x16x64"]
    plan = budget.Plan(cost, 108, 108, 1, to_chunks=False)
    once = 36 * cost.bound(A100) / A100.clock  # slabs
    assert plan.seconds(A100, work) == pytest.approx(once)
    over = budget.Plan(cost, 109, 109, 1, to_chunks=False)
    assert over.seconds(A100, work) == pytest.approx(2 * once)
    halves = budget.Plan(cost, 54, 54, 2, to_chunks=False)
    x, y = 512 * 56**2 * 2, 64 * 56**2 * 2
    assert halves.seconds(A100, work) == pytest.approx(once / 2 + moved(A100, 4 * y) + moved(A100, y))
    adding = Work(Layer(512, 64, 56, 3, 1, residual=True), 1, 4.0)  # finish does it
    assert halves.seconds(A100, adding) - halves.seconds(A100, work) == pytest.approx(moved(A100, y))
    passed = budget.Plan(cost, 108, 108, 1, to_chunks=True)
    assert passed.seconds(A100, work) == pytest.approx(once + 2 * moved(A100, x))
    assert [p.launches for p in (plan, halves, passed)] == [1, 2, 2]


def test_plans_are_the_librarys():
    def name(layer, batch, reduction=4.0):
        return chosen(A100, COSTS, Work(layer, batch, reduction)).cost.tile.kernel

    assert name(Layer(64, 64, 224, 3, 1), 1) in ("cct_halo_8x32x64", "cct_halo_16x16x64")
    assert name(Layer(512, 512, 28, 3, 1), 8) == "cct_halo_8x32x64_by4"  # 28 is no multiple of 8
    assert name(Layer(512, 512, 14, 3, 1), 32) == "cct_gather_256x64"
    assert name(Layer(512, 512, 14, 3, 1), 1) == "cct_gather_64x64"
    assert name(Layer(64, 64, 56, 3, 1, 2), 32) == "cct_gather_128x64"  # 98 blocks of 256 are too few
    assert name(Layer(256, 64, 56, 1, 1), 32) == "cct_pointwise_256x64"
    assert name(Layer(64, 256, 56, 1, 1), 1) == "cct_pointwise_64x64"
    assert name(Layer(1024, 256, 14, 1, 1), 32) == "cct_pointwise_64x64_by4"  # 14x14 is no multiple of 8
    assert name(Layer(2048, 512, 7, 1, 1), 1) == "cct_gather_64x64"
    single = replace(Layer(512, 512, 28, 3, 1), number="tf32")
    assert name(single, 8) == "cct_halo_8x32x64_tf32"
    assert name(replace(single, size=14), 32) == "cct_gather_256x64_tf32"
    assert name(replace(single, window=1), 8) == "cct_pointwise_256x64_tf32"
    assert name(single, 8, DENSE).endswith("_tf32")
    small = chosen(A100, COSTS, Work(Layer(512, 512, 14, 3, 1), 1, 4.0))
    assert (small.blocks, small.parts, small.to_chunks) == (4 * 8, 4, True)


def test_layouts_differ_where_they_should():
    def passes(layer):
        works = (candidates(A100, COSTS, Work(layer, 8, 4.0), layout) for layout in LAYOUTS)
        return ["".join(str(int(plan.to_chunks)) for plan in plans) for plans in works]

    assert passes(Layer(64, 64, 56, 3, 1)) == ["00111", "111", "00000"]  # two tiles of halo, three of gather
    assert passes(Layer(64, 64, 28, 3, 1)) == ["0111", "111", "00000"]
    assert passes(Layer(64, 64, 14, 3, 1)) == ["111", "111", "00000"]
    assert passes(Layer(64, 64, 28, 1, 1)) == ["00111", "111", "000"]  # two tiles of pointwise
    assert passes(Layer(64, 64, 7, 1, 1)) == ["111", "111", "000"]
    assert passes(Layer(64, 64, 28, 1, 1, 2)) == ["111", "111", "000"]


@pytest.mark.parametrize(("network", "make"), [("VGG-16", "vgg16"), ("ResNet-50", "resnet50")])
def test_networks_are_torchvisions(network, make):
    with torch.device("meta"):
        model = getattr(torchvision.models, make)()
    found = []

    def note(module, inputs, output):
        sizes = (inputs[0].shape[-1], module.kernel_size[0])
        found.append((module.in_channels, module.out_channels, *sizes, module.stride[0]))

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d) and "downsample" not in name and module.in_channels > 3:
            module.register_forward_hook(note)
    model(torch.zeros(1, 3, 224, 224, device="meta"))
    layers = NETWORKS[network]
    expected = [(each.in_channels, each.out_channels, each.size, each.window, each.stride) for each in layers]
    assert sorted(found) == sorted(row for row, each in zip(expected, layers, strict=True) for _ in range(each.count))
    sizes = {(each.in_channels, each.size) for each in layers} | {(each.out_channels, each.out_size) for each in layers}
    assert set(CHAIN_ENDS[network]) <= sizes


def test_a_table():
    lines = speed_ups("VGG-16", lambda work: 1e-6 * work.batch / work.reduction).splitlines()
    assert (
        lines[2]
        == "| 3x3 64-64 @224 | 1 | 1.0 | 2.25 | 4.00 | 8.00 | 8.0 | 2.25 | 4.00 | 8.00 | 32.0 | 2.25 | 4.00 | 8.00 |"
    )
    assert lines[-1].startswith("| all | 12 | 12.0 | 2.25 | 4.00 | 8.00 | 96.0 |")


def test_the_command(monkeypatch, capsys):
    try:
        toolchain.nvcc()
        toolchain.nvdisasm()
    except toolchain.NoToolchain as reason:
        missing(str(reason))
    monkeypatch.setattr("sys.argv", ["benchmarks.gpu", "--gpu", "A100", "--network", "VGG-16"])
    budget_command.main()
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line.startswith("## ")] == [
        "## BUDGET of a slab, A100",
        "## ROOFLINE, A100, VGG-16",
        "## BUDGET, A100, VGG-16",
        "## ROOFLINE in tf32, A100, VGG-16",
        "## BUDGET in tf32, A100, VGG-16",
        "## BUDGET of layouts, A100, VGG-16 at 4x",
    ]
    assert "H100" not in out
    for name in TILES:
        assert f"| {name.removeprefix('cct_')} |" in out
    assert "| 3x3 64-64 @224 | 1 | 11.9 | 1.43 | 1.43 | 1.43 |" in out  # known by hand
