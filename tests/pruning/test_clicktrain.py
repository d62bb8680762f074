import io
from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import Bottleneck, ResNet

from cct.errors import CctError, RecipeError, StateError, UnsupportedModel
from cct.models import MODELS
from cct.passes.module.choose_pool import ALL_PATTERNS
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from tests.support.small_network import Small, small

pytestmark = pytest.mark.usefixtures("one_thread")


def train(module: nn.Module, pruner: ClickTrain, steps: int, after: Callable[[int], None] = lambda step: None) -> None:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(module.parameters(), 0.02, momentum=0.9, weight_decay=1e-4)
    for step in range(steps):
        x, y = torch.randn(8, 3, 8, 8, generator=generator), torch.randint(4, (8,), generator=generator)
        loss = F.cross_entropy(module(x), y) + pruner.penalty()
        loss.backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
        after(step)


def zeros(module: nn.Module, name: str) -> torch.Tensor:
    return module.get_parameter(f"{name}.weight").detach().flatten(2) == 0


@settings(max_examples=15, deadline=None)
@given(
    compression=st.floats(1.01, 6),
    block=st.tuples(st.integers(1, 4), st.integers(1, 2)),
    connectivity=st.sampled_from(["uniform", "global"]),
    grouping=st.sampled_from(["swap", "none"]),
    entries=st.sampled_from([4, 1]),
    seed=st.integers(0, 99),
)
def test_one_shot_is_as_small_as_asked_and_shares_within_blocks(
    compression: float, block: tuple[int, int], connectivity: str, grouping: str, entries: int, seed: int
) -> None:
    module = small(seed, last=5)
    recipe = Recipe(
        compression=compression,
        block=block,
        connectivity=connectivity,
        grouping=grouping,
        entries=entries,
        floor=0.1,
        seed=seed,
    )
    try:
        pruner = ClickTrain(module, recipe, 0)
    except UnsupportedModel:  # whole 5x5 kernels in large blocks can be too coarse
        assume(False)
    pruner.finish()
    masks = {name: ~zeros(module, name) for name in "abcd"}
    total = sum(mask.numel() for mask in masks.values())
    kept = sum(int(mask.sum()) for mask in masks.values())
    assert total / kept == pytest.approx(compression, rel=0.01)
    assert pruner.compression == pytest.approx(total / kept)
    assert not zeros(module, "stem").any()
    for name, mask in masks.items():
        groups = 2 if name == "b" else 1
        for part in mask.chunk(groups):
            outs = len(part)
            # channels with equal masks fill whole blocks: no more kinds of masks than blocks
            assert len(part.flatten(1).unique(dim=0)) <= -(-outs // block[0])
            ins = part.shape[1]
            assert len(part.transpose(0, 1).flatten(1).unique(dim=0)) <= -(-ins // block[1])
        per_kernel = mask.sum(2).unique().tolist()
        whole = mask.shape[2]
        if entries == 1 and whole <= 9:
            continue  # any number
        assert set(per_kernel) <= ({0, 4} if compression >= 2.25 and whole == 9 else {0, whole})


def test_single_positions_keep_more_than_patterns() -> None:
    def energy(entries: int) -> float:
        module = small()
        pruner = ClickTrain(module, Recipe(compression=4, entries=entries, connectivity="global"), 0)
        assert pruner.compression == pytest.approx(4, rel=0.01)
        return sum(float(module.get_parameter(f"{name}.weight").detach().square().sum()) for name in "abcd")

    assert energy(1) > 1.01 * energy(4)


def test_patterns_alone_at_2_25() -> None:
    module = MODELS["digits_net"]()
    pruner = ClickTrain(module, Recipe(compression=2.25, grouping="none"), 0)
    pruner.finish()
    assert pruner.compression == 2.25
    assert (~zeros(module, "block2.conv2")).sum(2).unique().tolist() == [4]


def test_single_layers_have_blocks_of_their_own() -> None:
    module = small()
    ClickTrain(module, Recipe(compression=4, blocks=("a=1x1", "[bc]=2x1", "d=8x1"), grouping="none"), 0).finish()
    for name, height in {"a": 1, "b": 2, "c": 2, "d": 8}.items():
        mask = ~zeros(module, name)
        assert torch.equal(mask, mask[::height].repeat_interleave(height, 0))
        assert not torch.equal(mask, mask[:: 2 * height].repeat_interleave(2 * height, 0))


def test_blocks_of_layers_that_are_excluded_wait() -> None:
    pruner = ClickTrain(small(), Recipe(compression=4, blocks=("a=1x1",), exclude=("a",)), 0)
    assert {row.name: row.reason for row in pruner.summary()}["a"] == "excluded"


def test_a_state_of_coarser_blocks_is_refused() -> None:
    state = ClickTrain(small(), Recipe(blocks=("a=2x1",)), STEPS).state_dict()
    with pytest.raises(StateError, match="a has no valid rows of blocks"):
        ClickTrain(small(), Recipe(blocks=("a=1x1",)), STEPS).load_state_dict(state)


def test_compression_1_prunes_nothing() -> None:
    module = small()
    before = [parameter.clone() for parameter in module.parameters()]
    pruner = ClickTrain(module, Recipe(compression=1), 10)
    pruner.step()
    pruner.finish()
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert pruner.compression == 1
    assert pruner.penalty() == 0
    assert [row.reason for row in pruner.summary()] == ["first convolution"] + ["compression 1"] * 4


def test_bottlenecks_with_1x1_and_3x3() -> None:
    module = ResNet(Bottleneck, [1, 1, 1, 1])
    pruner = ClickTrain(module, Recipe(compression=3, grouping="none", pool_size=8), 0)
    pruner.finish()
    assert pruner.compression == pytest.approx(3, rel=0.01)
    rows = {row.name: row for row in pruner.summary()}
    assert rows["layer1.0.conv1"].density < 1
    assert rows["layer1.0.downsample.0"].reason == "shortcut"


def test_the_ramp_thins_out_and_never_lets_back_in() -> None:
    module = small()
    pruner = ClickTrain(module, Recipe(compression=4, block=(1, 1), cut_at=0.5), 40)
    reached, dead = [], [torch.zeros_like(zeros(module, name)) for name in "abcd"]

    def look(step: int) -> None:
        reached.append(pruner.compression)
        for index, name in enumerate("abcd"):
            now = zeros(module, name)
            assert (now | ~dead[index]).all()
            dead[index] = now

    train(module, pruner, 40, look)
    assert reached == sorted(reached)
    assert reached[0] < 2.5
    assert reached[19] == reached[-1] == pytest.approx(4, rel=0.01)
    pruner.finish()
    assert pruner.compression == reached[-1]


def test_lasso_leaves_all_weights_until_the_cut_and_shrinks_what_goes() -> None:
    recipe = Recipe(compression=3, block=(1, 1), easing="lasso", lasso=0.02, cut_at=0.75)
    module = small()
    pruner = ClickTrain(module, recipe, 40)
    doomed = [mask == 0 for mask in pruner._masks.tensors.values()]
    start = sum(float(w.detach()[d].abs().sum()) for w, d in zip(pruner._weights.values(), doomed, strict=True))
    seen = {}

    def look(step: int) -> None:
        weights = pruner._weights.values()
        seen[step] = sum(float(w.detach()[d].abs().sum()) for w, d in zip(weights, doomed, strict=True))
        assert (pruner.penalty() > 0) == (step < 29)

    train(module, pruner, 40, look)
    assert 0 < seen[28] < 0.9 * start
    assert seen[29] == seen[39] == 0
    pruner.finish()
    assert pruner.compression == pytest.approx(3, rel=0.01)


def test_taylor_chooses_by_gradients_that_the_users_loop_makes() -> None:
    recipe = Recipe(compression=2, block=(1, 1), importance="taylor", importance_batches=3, choose_at=0.25)
    module = small()
    pruner = ClickTrain(module, recipe, 20)
    planned = []
    train(module, pruner, 20, lambda step: planned.append(pruner.plan is not None))
    assert planned == [False] * 7 + [True] * 13
    pruner.finish()
    assert pruner.compression == pytest.approx(2, rel=0.01)


def test_taylor_prunes_what_the_loss_does_not_feel() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 4, 3, bias=False))
    recipe = Recipe(compression=2, block=(1, 1), importance="taylor", grouping="none")
    pruner = ClickTrain(module, recipe, 1)
    with torch.no_grad():
        module[1].weight[:2] *= 100  # large weights, which the loss below never sees
    module(torch.ones(1, 1, 3, 3))[:, 2:].sum().backward()
    pruner.step()
    pruner.finish()
    kept = ~zeros(module, "1")
    assert kept[2:].all()
    assert not kept[:1].any() or not kept[1:2].any()


def test_the_pools() -> None:
    pools = {
        "all": ClickTrain(small(), Recipe(), 0),
        "eight": ClickTrain(small(), Recipe(pool_size=8), 0),
        "frequent": ClickTrain(small(), Recipe(pool="frequent", pool_size=4), 0),
        "given": ClickTrain(small(), Recipe(pool=((4, 5, 7, 8), (3, 4, 6, 7))), 0),
    }
    sizes = {name: len(pruner.plan.pool) for name, pruner in pools.items() if pruner.plan is not None}
    assert sizes == {"all": len(ALL_PATTERNS), "eight": 8, "frequent": 4, "given": 2}


def test_the_same_seed_gives_the_same_masks() -> None:
    masks = []
    for _ in range(2):
        module = small()
        ClickTrain(module, Recipe(seed=3), 0).finish()
        masks.append([zeros(module, name) for name in "abcd"])
    assert all(torch.equal(a, b) for a, b in zip(*masks, strict=True))


def test_pruned_weights_load_into_the_original_class() -> None:
    module = small()
    keys = list(module.state_dict())
    ClickTrain(module, Recipe(), 0).finish()
    assert list(module.state_dict()) == keys
    Small().load_state_dict(module.state_dict())


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match="no convolution that may be pruned"):
        ClickTrain(nn.Sequential(nn.Conv2d(3, 4, 3)), Recipe(), 0)
    with pytest.raises(UnsupportedModel, match=r"compression 500 cannot be reached with blocks of 4x1"):
        ClickTrain(small(), Recipe(compression=500), 0)
    with pytest.raises(UnsupportedModel, match=r"compression 500 cannot be reached with blocks of 4x1"):
        ClickTrain(small(), Recipe(compression=500, choose_at=0.5, cut_at=0.5), 10)
    several = Recipe(compression=500, blocks=("a=1x1", "d=8x1"))
    with pytest.raises(UnsupportedModel, match=r"compression 500 cannot be reached with blocks of 1x1, 4x1 and 8x1"):
        ClickTrain(small(), several, 0)
    with pytest.raises(RecipeError, match=r"blocks has stem=2x1, but stem is not pruned \(first convolution\)"):
        ClickTrain(small(), Recipe(blocks=("stem=2x1",)), 0)
    with pytest.raises(RecipeError, match="needs 3 training steps, the run has 0"):
        ClickTrain(small(), Recipe(importance="taylor", importance_batches=3), 0)


def test_misuse_of_the_loop_is_named() -> None:
    recipe = Recipe(importance="taylor", importance_batches=2)
    pruner = ClickTrain(small(), recipe, 10)
    with pytest.raises(CctError, match="has no gradient: call step"):
        pruner.step()
    with pytest.raises(CctError, match=r"finish\(\) came before the patterns were chosen"):
        ClickTrain(small(), recipe, 10).finish()


STATES = {
    "ramp": Recipe(compression=4, cut_at=0.5),
    "chosen later": Recipe(compression=3, block=(2, 2), choose_at=0.2, cut_at=0.6, pool_size=8),
    "global": Recipe(compression=3, block=(1, 1), connectivity="global", cut_at=0.7),
    "lasso": Recipe(compression=3, block=(1, 1), easing="lasso", lasso=0.02, cut_at=0.7),
    "taylor": Recipe(compression=2, importance="taylor", importance_batches=3, choose_at=0.2, cut_at=0.8),
    "kernels": Recipe(compression=1.5, block=(1, 1)),
    "blocks": Recipe(compression=4, blocks=("a=1x1", "[bc]=2x2", "d=8x1"), cut_at=0.5),
    "positions": Recipe(compression=4, block=(2, 1), entries=1, cut_at=0.5),
    "dense": Recipe(compression=1),
}
STEPS = 12


class Loop:
    """A user's own loop, all of which can be saved after any step."""

    def __init__(self, recipe: Recipe, channels_last: bool) -> None:
        self.module = small()
        self.pruner = ClickTrain(self.module, recipe, STEPS)
        self.module.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
        self.optimizer = torch.optim.SGD(self.module.parameters(), 0.02, momentum=0.9, weight_decay=1e-4)
        self.generator = torch.Generator().manual_seed(0)

    def run(self, steps: int) -> None:
        for _ in range(steps):
            x = torch.randn(8, 3, 8, 8, generator=self.generator)
            loss = F.cross_entropy(self.module(x), torch.randint(4, (8,), generator=self.generator))
            (loss + self.pruner.penalty()).backward()
            self.optimizer.step()
            self.pruner.step()
            self.optimizer.zero_grad()

    def save(self) -> bytes:
        file = io.BytesIO()
        parts = self.module, self.optimizer, self.pruner
        torch.save([*(part.state_dict() for part in parts), self.generator.get_state()], file)
        return file.getvalue()

    def load(self, saved: bytes) -> None:
        module, optimizer, pruner, generator = torch.load(io.BytesIO(saved), weights_only=True)
        self.module.load_state_dict(module)
        self.optimizer.load_state_dict(optimizer)
        self.pruner.load_state_dict(pruner)
        self.generator.set_state(generator)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("recipe", STATES.values(), ids=STATES)
def test_a_run_cut_in_two_at_any_step_is_the_run(recipe: Recipe, channels_last: bool) -> None:
    whole = Loop(recipe, channels_last)
    saved = [whole.save()]
    for _ in range(STEPS):
        whole.run(1)
        saved.append(whole.save())
    whole.pruner.finish()
    for step, state in enumerate(saved):
        second = Loop(recipe, channels_last)
        second.load(state)
        second.run(STEPS - step)
        second.pruner.finish()
        pairs = zip(whole.module.state_dict().values(), second.module.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs), step
        assert second.pruner.summary() == whole.pruner.summary()


def test_going_back_to_before_the_choice_forgets_it() -> None:
    recipe = Recipe(choose_at=0.5, cut_at=0.8)
    pruner = ClickTrain(small(), recipe, 10)
    for _ in range(3):
        pruner.step()
    early = pruner.state_dict()
    for _ in range(6):
        pruner.step()
    assert pruner.compression > 3
    pruner.load_state_dict(early)
    assert pruner.plan is None
    assert pruner.compression == 1
    pruner.step()
    assert pruner.plan is None


def test_a_finished_run_can_be_loaded() -> None:
    recipe = STATES["ramp"]
    first, second = ClickTrain(small(), recipe, STEPS), ClickTrain(small(), recipe, STEPS)
    first.finish()
    second.load_state_dict(first.state_dict())
    assert second.cut
    assert second.summary() == first.summary()
