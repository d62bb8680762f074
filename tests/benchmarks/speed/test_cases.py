import pytest

from benchmarks.speed.cases import EIGHTH, FOUR_NINTHS, GROUPS, cases, chain, strided
from cct.passes.module.prunable import prunable


def test_every_row_has_a_key_of_its_own():
    keys = [(case.group, case.title) for case in cases((1, 2))]
    assert len(set(keys)) == len(keys)
    assert {group for group, _ in keys} == set(GROUPS)


def test_options_replace_those_of_the_chains():
    found = [case for case in cases((2,), ((16, 8),), ((8, 1),), (0.25,)) if case.group == "chains"]
    assert [(case.title, case.threads) for case in found] == [("16@8 8x1 0.2500 batch 1", (2,))]


@pytest.mark.parametrize("density", [EIGHTH, FOUR_NINTHS])
@pytest.mark.parametrize("module", [lambda d: chain(61, (4, 1), d), lambda d: strided(32, 64, 2, (4, 1), d)])
def test_masks_have_the_density(module, density):
    made = module(density)
    layers = [made.get_submodule(name) for name in prunable(made)]
    for layer in layers:
        assert (layer.weight != 0).float().mean() == pytest.approx(density, rel=0.03)
