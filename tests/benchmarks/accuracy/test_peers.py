import pytest
import torch

from benchmarks.accuracy.admm import Admm
from benchmarks.accuracy.peers import Masked, Unstructured
from cct.models import digits_net
from cct.recipe.recipe import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")


def network():
    torch.manual_seed(0)
    return digits_net()


def weights(module):
    return [module.get_parameter(f"block{i}.conv{j}.weight").detach() for i in (1, 2) for j in (1, 2)]


def test_unstructured_follows_the_ramp_to_the_asked_compression():
    module = network()
    pruner = Unstructured(module, Recipe(compression=4, cut_at=0.5), 40)
    module.to(memory_format=torch.channels_last)  # as fine_tune does
    kept = []
    for _ in range(40):
        pruner.step()
        kept.append(sum(int((layer.weight != 0).sum()) for layer, _ in pruner._weights))
    assert kept == sorted(kept, reverse=True)
    assert kept[5] > kept[19] == kept[-1]
    pruner.finish()
    assert pruner.compression == pytest.approx(4, rel=1e-3)
    assert not any(name.endswith(("_orig", "_mask")) for name in module.state_dict())


def test_admm_pulls_the_weights_to_their_pruned_form():
    module, recipe = network(), Recipe(compression=4, block=(4, 1), epochs=4)
    pruner = Admm(module, recipe, 40)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    far = distance(pruner)
    for _ in range(40):
        pruner.penalty().backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    assert distance(pruner) < 0.1 * far
    pruner.finish()
    assert pruner.compression == pytest.approx(4, rel=0.02)


def distance(pruner):
    pairs = [(weight, pruner._Z[name]) for name, weight in pruner._weights.items()]
    return sum(float((w.detach() - z).square().sum()) for w, z in pairs) / sum(
        float(z.square().sum()) for _, z in pairs
    )


def test_masked_keeps_zeros_and_nothing_else():
    module = network()
    with torch.no_grad():
        for weight in weights(module):
            weight[:, ::2] = 0
    pruner = Masked(module, Recipe(), 10)
    with torch.no_grad():
        for weight in weights(module):
            weight += 1
    pruner.step()
    assert pruner.compression > 1.5
    for weight in weights(module):
        assert not weight[:, ::2].any()
        assert weight[:, 1::2].all()
