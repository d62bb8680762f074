"""The estimates as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from benchmarks.gpu import roofline
from benchmarks.gpu.budget import LAYOUTS, Costs, Work, candidates, chain_ends, chosen, fastest
from benchmarks.gpu.gpus import Gpu
from benchmarks.gpu.layers import CHAIN_ENDS, DENSE, NETWORKS, REDUCTIONS, Layer
from benchmarks.gpu.loops import SlabCost

Seconds = Callable[[Work], float]
BATCHES = (1, 8, 32)
SHOWN = 4.0  # reduction at which layouts are compared
PARTS = ("tensor", "shared", "issue", "L2")

HEAD = """\
# Estimates of the CUDA kernels

None of these numbers was measured on a GPU. ROOFLINE: published peaks alone, the same for every kernel that computes
this. BUDGET: cycles of the compiled loops, whose instructions are read off the machine code, at published rates; no
launches, no waiting. Times in microseconds of one convolution; "2.25x" and so on are speed-ups over the dense column,
at that reduction of the weights; "all" sums up the network. 224x224 pixels; float16, but for the tables of tf32, which
are of float32 against dense tf32. The first convolution and the shortcuts stay dense and are left out."""

KERNELS = """\
## BUDGET of a slab, {name}

Cycles that a block of threads takes of each part of a multiprocessor for 32 products of each output, or 16 of tf32. "Of
peak": the share of the tensor cores' rate by mma.sync ({products:.0f} products a cycle, or {tf32:.0f} of tf32) that the
slowest part leaves. The last rows are an estimate of halo for channel-last input: the compiled loop less what
transposes, with one pixel around the tile instead of eight."""

ROOFLINE = "## ROOFLINE, {gpu}, {network}"
TF32_ROOFLINE = "## ROOFLINE in tf32, {gpu}, {network}"
BUDGET = """\
## BUDGET, {gpu}, {network}

Blocks of 64x8, NCHW, the kernels that the library chooses. Dense: the fastest of gather's tiles, without a pass."""
TF32_BUDGET = """\
## BUDGET in tf32, {gpu}, {network}

The same in float32 as tf32."""
LAYOUT = """\
## BUDGET of layouts, {gpu}, {network} at {reduction:g}x

The fastest kernel of each. NCHW: halo and, for 1x1, pointwise transpose what they load; where neither can run
(strides, rows or planes that are no multiple of 4), a pass to chunks and gather. Pass: always that. Channel-last: no
pass, and halo without transposing; the passes at the ends of its chains are in the last rows only. "Launches":
kernels, each some microseconds that are not in the times."""


def report(gpu: Gpu, costs: Costs, networks: Sequence[str]) -> str:
    """All tables of one GPU."""

    def by_peaks(work: Work) -> float:
        return roofline.seconds(gpu, work.layer, work.batch, work.reduction)

    def by_budget(work: Work) -> float:
        return chosen(gpu, costs, work).seconds(gpu, work)

    parts = [kernels(gpu, costs)]
    for network in networks:
        names = {"gpu": gpu.name, "network": network}
        parts += [ROOFLINE.format(**names), speed_ups(network, by_peaks)]
        parts += [BUDGET.format(**names), speed_ups(network, by_budget)]
        parts += [TF32_ROOFLINE.format(**names), speed_ups(network, by_peaks, "tf32")]
        parts += [TF32_BUDGET.format(**names), speed_ups(network, by_budget, "tf32")]
        parts += [LAYOUT.format(**names, reduction=SHOWN), layouts(gpu, costs, network)]
    return "\n\n".join(parts)


def kernels(gpu: Gpu, costs: Costs) -> str:
    """The cost of a slab in each kernel."""
    every = [(name.removeprefix("cct_"), cost) for name, cost in costs.compiled.items()]
    every += [
        (f"{name.removeprefix('cct_')} channel-last", cost)
        for name, cost in costs.channel_last.items()
        if cost.tile.halo
    ]
    head = ["kernel", "instructions a warp", "per HMMA", *PARTS, "slowest", "of peak", "L2 bytes"]
    table = _table(head, [[name, *_slab(gpu, cost)] for name, cost in every])
    rates = {"products": gpu.products("float16"), "tf32": gpu.products("tf32")}
    return KERNELS.format(name=gpu.name, **rates) + "\n\n" + table


def _slab(gpu: Gpu, cost: SlabCost) -> list[str]:
    cycles = cost.cycles(gpu)
    products = cost.tile.warp_pixels * cost.tile.warp_channels / 64
    return [
        f"{cost.instructions:.0f}",
        f"{cost.instructions / products:.2f}",
        *(f"{cycles[part]:.0f}" for part in PARTS),
        max(PARTS, key=lambda part: cycles[part]),
        f"{cost.computed(gpu):.0%}",
        f"{cost.bytes:.0f}",
    ]


def speed_ups(network: str, seconds: Seconds, number: str = "float16") -> str:
    """Dense times and what each reduction gives, by layer and batch."""
    layers = [replace(layer, number=number) for layer in NETWORKS[network]]
    head = ["layer", "times"]
    rows = [[str(layer), str(layer.count)] for layer in layers]
    sums = ["all", str(sum(layer.count for layer in layers))]
    for batch in BATCHES:
        head += [f"batch {batch}: dense", *(f"{reduction:g}x" for reduction in REDUCTIONS)]
        each = [[seconds(Work(layer, batch, some)) for some in (DENSE, *REDUCTIONS)] for layer in layers]
        for row, times in zip(rows, each, strict=True):
            row += _ratios(times)
        sums += _ratios([_total(layers, column) for column in zip(*each, strict=True)])
    return _table(head, [*rows, sums])


def layouts(gpu: Gpu, costs: Costs, network: str) -> str:
    """Times of each layer in each layout."""
    layers = NETWORKS[network]
    head = ["layer", "times"]
    rows = [[str(layer), str(layer.count)] for layer in layers]
    sums, ends, launches = ["all", ""], ["all with the ends of chains", ""], ["launches", ""]
    for batch in BATCHES:
        for layout in LAYOUTS:
            head.append(f"batch {batch}: {layout}" if layout == LAYOUTS[0] else layout)
            works = [Work(layer, batch, SHOWN) for layer in layers]
            plans = [fastest(gpu, work, candidates(gpu, costs, work, layout)) for work in works]
            times = [plan.seconds(gpu, work) for plan, work in zip(plans, works, strict=True)]
            for row, time in zip(rows, times, strict=True):
                row.append(_micro(time))
            chains = CHAIN_ENDS[network] if layout == "channel-last" else ()
            sums.append(_micro(_total(layers, times)))
            ends.append(_micro(_total(layers, times) + chain_ends(gpu, batch, chains)))
            launches.append(str(int(_total(layers, [plan.launches for plan in plans])) + len(chains)))
    return _table(head, [*rows, sums, ends, launches])


def _total(layers: Sequence[Layer], values: Sequence[float]) -> float:
    return sum(layer.count * value for layer, value in zip(layers, values, strict=True))


def _ratios(seconds: Sequence[float]) -> list[str]:
    return [_micro(seconds[0]), *(f"{seconds[0] / some:.2f}" for some in seconds[1:])]


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:.1f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
