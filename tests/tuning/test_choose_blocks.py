"""The rule by which layers get their blocks, on given times: nothing is measured here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cct.recipe.blocks import Block
from cct.tuning.choose_blocks import CANDIDATES, CLOCK, TOLERANCE, choose_blocks, finest

UNIFORM = (4, 1)
SLOWEST = 1 / (1 + TOLERANCE)
FASTER = 1 + TOLERANCE


def times(*rows: Sequence[float]) -> dict[Block, Sequence[float]]:
    """Milliseconds for each number of threads, of 1x1, 2x1, 4x1 and 8x1."""
    return dict(zip(CANDIDATES, rows, strict=False))


@pytest.mark.parametrize(
    ("rows", "block"),
    [
        ([[1.0], [1.0], [1.0], [1.0]], (1, 1)),
        ([[1.04], [1.0], [1.0], [1.0]], (1, 1)),  # within the tolerance
        ([[1.06], [1.04], [1.0], [1.03]], (2, 1)),
        ([[2.0], [1.5], [1.06], [1.0]], (8, 1)),
        ([[1.0, 1.5], [1.04, 1.0]], (2, 1)),  # the finest is slow with all cores
        ([[1.0, 1.3], [1.2, 1.1], [1.4, 1.0]], (2, 1)),  # none is good with both: the one that loses least
        ([[0.011], [0.010]], (1, 1)),  # one tick of the clock
        ([[0.0], [0.0]], (1, 1)),
        ([[3.0]], (1, 1)),
    ],
)
def test_the_finest_block_that_costs_no_time(rows: Sequence[Sequence[float]], block: Block) -> None:
    assert finest(times(*rows)) == block


@given(
    st.integers(1, 3).flatmap(
        lambda threads: st.dictionaries(
            st.sampled_from(CANDIDATES), st.tuples(*[st.floats(0, 100)] * threads), min_size=1
        )
    )
)
def test_the_rule(measured: dict[Block, tuple[float, ...]]) -> None:
    chosen = finest(measured)
    fastest = [min(column) for column in zip(*measured.values(), strict=True)]

    def good(block: Block, by: float = 1.0) -> bool:
        allowed = (by * max(TOLERANCE * least, CLOCK) for least in fastest)
        return all(ms - f <= a for ms, f, a in zip(measured[block], fastest, allowed, strict=True))

    if any(map(good, measured)):
        assert good(chosen, 1.001)
    assert not any(good(block) for block in measured if block < chosen)
    for block in measured:  # one that is as fast or faster with every number of threads is never given up for a coarser
        if block < chosen:
            assert any(a > b for a, b in zip(measured[block], measured[chosen], strict=True))


def run(
    layers: Mapping[str, Mapping[Block, Sequence[float]]], ratios: Sequence[float], block: Block = UNIFORM
) -> tuple[dict[str, Block], float, list[dict[str, Block]], list[str]]:
    """What is chosen if these ratios are measured, the last for all others; what was tried, and said."""
    tried: list[dict[str, Block]] = []
    said: list[str] = []

    def ratio_of(blocks: Mapping[str, Block]) -> float:
        tried.append(dict(blocks))
        return ratios[min(len(tried), len(ratios)) - 1]

    return *choose_blocks(layers, block, ratio_of, said.append), tried, said


FINE = times([1.0], [1.0], [1.0], [1.0])
PAIRS = times([2.0], [1.0], [1.0], [1.0])
SLOW_PAIRS = times([2.0], [1.04], [1.0], [1.0])
COARSE = times([2.0], [2.0], [2.0], [1.0])
COARSE_OR_PAIRS = times([2.0], [1.5], [1.5], [1.0])
UNIFORMLY = times([2.0], [2.0], [1.0], [1.0])


def test_a_network_that_is_as_fast_keeps_its_blocks() -> None:
    chosen, ratio, tried, said = run({"a": FINE, "b": UNIFORMLY, "c": COARSE, "d": {}}, [FASTER, SLOWEST + 1e-9])
    assert chosen == {"a": (1, 1), "b": (4, 1), "c": (8, 1), "d": (4, 1)}
    assert (tried, ratio) == ([chosen | {"a": (4, 1)}, chosen], SLOWEST + 1e-9)
    assert said == [
        "block auto: a coarser block than 4x1 in 1 of 4 layers, 1.05x as fast as with that alone, "
        "none to take a finer one",
        "block auto, round 1: a finer block than 4x1 in 1 of 4 layers, 0.95x as fast as with that alone, "
        "none to go back to it",
    ]


def test_a_slower_network_gives_up_what_gains_least_fineness() -> None:
    layers = {"fine": FINE, "pairs": PAIRS, "slow pairs": SLOW_PAIRS, "coarse": COARSE}
    chosen, ratio, tried, _ = run(layers, [1.2, 0.5, 0.9, 1.0])
    assert [[name for name in now if now[name] < UNIFORM] for now in tried] == [
        [],
        ["fine", "pairs", "slow pairs"],
        ["fine"],
    ]
    assert chosen == dict.fromkeys(layers, UNIFORM) | {"coarse": (8, 1)}  # which was measured first
    assert ratio == 1.2


def test_coarser_blocks_that_save_the_network_no_time_go_back() -> None:
    layers = {"fine": FINE, "coarse": COARSE, "pairs": COARSE_OR_PAIRS}
    chosen, ratio, tried, said = run(layers, [FASTER - 0.001, 1.0])
    assert chosen == {"fine": (1, 1), "coarse": (1, 1), "pairs": (2, 1)}
    assert (tried[-1], ratio) == (chosen, 1.0)
    assert said[0] == (
        "block auto: a coarser block than 4x1 in 2 of 3 layers, 1.05x as fast as with that alone, 2 to take a finer one"
    )


def test_coarse_is_what_is_coarser_than_the_block_of_all() -> None:
    chosen, ratio, _, said = run({"a": UNIFORMLY, "b": COARSE_OR_PAIRS}, [0.5], block=(2, 1))
    assert (chosen, ratio) == ({"a": (2, 1), "b": (2, 1)}, 1)
    assert "a coarser block than 2x1 in 2 of 2 layers" in said[0]
    assert said[-1] == "block auto: 2x1 in every layer"


def test_with_coarser_blocks_alone_one_measurement_is_enough() -> None:
    chosen, ratio, tried, said = run({"a": COARSE, "b": UNIFORMLY}, [1.1])
    assert (tried, ratio, len(said)) == ([chosen], 1.1, 1)


def test_it_ends_though_no_network_is_fast() -> None:
    chosen, ratio, tried, said = run({str(i): FINE for i in range(100)}, [0.5])
    assert [sum(block != UNIFORM for block in now.values()) for now in tried] == [100, 50, 25, 12]
    assert set(chosen.values()) == {UNIFORM}
    assert ratio == 1
    assert said[-2].endswith("12 to go back to it")
    assert said[-1] == "block auto: 4x1 in every layer"


@pytest.mark.parametrize("layers", [{}, {"a": UNIFORMLY}, {"a": {}}])
def test_where_one_block_is_best_nothing_more_is_measured(
    layers: Mapping[str, Mapping[Block, Sequence[float]]],
) -> None:
    chosen, ratio, tried, said = run(layers, [])
    assert chosen == dict.fromkeys(layers, UNIFORM)
    assert (ratio, tried, said) == (1, [], ["block auto: 4x1 in every layer"])


@given(
    st.dictionaries(
        st.text(max_size=3), st.sampled_from([FINE, PAIRS, SLOW_PAIRS, COARSE, COARSE_OR_PAIRS, UNIFORMLY, {}])
    ),
    st.lists(st.floats(0, 2), min_size=1, max_size=6),
    st.sampled_from(CANDIDATES),
)
def test_whatever_is_measured_the_choice_is_sound(
    layers: dict[str, dict[Block, Sequence[float]]], ratios: list[float], block: Block
) -> None:
    chosen, ratio, tried, _ = run(layers, ratios, block)
    assert list(chosen) == list(layers)
    assert len(tried) <= 5
    for name, by_block in layers.items():
        finer = {own: ms for own, ms in by_block.items() if own <= block}
        assert chosen[name] in {block} | {finest(candidates) for candidates in (by_block, finer) if candidates}
    if any(own > block for own in chosen.values()):
        assert ratios[0] >= FASTER
    assert ratio >= SLOWEST
    assert chosen in tried or (ratio == 1 and set(chosen.values()) <= {block})
