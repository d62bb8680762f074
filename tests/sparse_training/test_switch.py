"""Convolutions that compute with kept weights alone after the cut: when, with what result, and what they leave."""

from __future__ import annotations

import copy
import gc
import io
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

from cct.data.load_data import load_data
from cct.errors import CctError, LibraryError, OperatorError, StateError
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.runtime.library import serves_training, supported
from cct.sparse_training import switch
from cct.sparse_training.autograd import DENSE, SPARSE, ProductChoice
from cct.sparse_training.switch import SparseConv2d
from cct.training.fine_tune import fine_tune, total_steps
from cct.training.resume_state import StateFile

if not supported():
    pytest.skip("no operator library for this platform", allow_module_level=True)

pytestmark = pytest.mark.usefixtures("one_thread")

AT_ONCE = Recipe(compression=4, cut_at=0, sparse_training="measured")
has_fast_row = pytest.mark.skipif(not serves_training(), reason="the rule leaves this processor dense")


class Own(nn.Conv2d):
    """A convolution of the user's, who may compute what he likes."""


class Net(nn.Module):
    """Convolutions of every kind that matters: plain, strided, grouped, 1x1, the user's own, with padding as text."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 3, padding=1)
        self.plain = nn.Conv2d(8, 16, 3, padding=1)
        self.strided = nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.grouped = nn.Conv2d(16, 16, 3, padding=1, groups=2)
        self.point = nn.Conv2d(16, 16, 1)
        self.own = Own(16, 8, 3, padding=1)
        self.same = nn.Conv2d(8, 8, 3, padding="same")
        self.linear = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.plain(F.relu(self.stem(x))))
        x = F.relu(self.grouped(F.relu(self.bn(self.strided(x)))))
        x = F.relu(self.same(F.relu(self.own(F.relu(self.point(x))))))
        y: Tensor = self.linear(x.mean((2, 3)))
        return y


SWITCHED = ["plain", "strided", "grouped", "point"]


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def switched(module: nn.Module) -> list[str]:
    return [name for name, part in module.named_modules() if isinstance(part, SparseConv2d)]


def all_are(choice: ProductChoice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch, "_measure", lambda *arguments: choice)


def step(module: nn.Module, pruner: ClickTrain | None, steps: int = 1) -> None:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(module.parameters(), 0.02, momentum=0.9)
    for _ in range(steps):
        x, y = torch.randn(8, 3, 8, 8, generator=generator), torch.randint(4, (8,), generator=generator)
        F.cross_entropy(module(x), y).backward()
        optimizer.step()
        if pruner is not None:
            pruner.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("choice", [SPARSE, ProductChoice(True, False, True), ProductChoice(False, True, False), DENSE])
def test_training_goes_on_as_it_would_have(choice: ProductChoice, monkeypatch: pytest.MonkeyPatch) -> None:
    all_are(choice, monkeypatch)
    trained = []
    for how in ("measured", "off"):
        module = net()
        pruner = ClickTrain(module, Recipe(compression=4, cut_at=0, sparse_training=how), 8)
        assert switched(module) == (SWITCHED if how == "measured" else [])
        step(module, pruner, 8)
        pruner.finish()
        trained.append(module.state_dict())
    for name, tensor in trained[0].items():
        assert torch.allclose(tensor, trained[1][name], rtol=1e-3, atol=1e-5), name


def test_it_begins_with_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    all_are(SPARSE, monkeypatch)
    module = net()
    pruner = ClickTrain(module, Recipe(compression=4, cut_at=0.5, sparse_training="measured"), 8)
    step(module, pruner, 3)
    assert switched(module) == []
    step(module, pruner)
    assert switched(module) == SWITCHED


@has_fast_row
def test_the_rule_looks_at_density() -> None:
    """At compression 4 more than half of the kernels of `point` stay, whose kernels have no patterns."""
    for compression, expected in ((4, ["plain", "strided", "grouped"]), (1.5, [])):
        module = net()
        recipe = Recipe(compression=compression, cut_at=0, connectivity="uniform")
        pruner = ClickTrain(module, recipe, 8)
        assert switched(module) == expected
        step(module, pruner)
        pruner.finish()


def test_the_rule_leaves_a_slow_row_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCT_ISA", "generic")
    module = net()
    ClickTrain(module, Recipe(compression=4, cut_at=0), 8)
    assert switched(module) == []


@pytest.mark.filterwarnings("ignore:.torch.jit.script")  # torch does, for forward_ad
def test_what_is_no_training_step_is_computed_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object) -> ProductChoice:
        raise AssertionError("asked for")

    monkeypatch.setattr(switch, "_measure", fails)
    module = net().eval()
    pruner = ClickTrain(module, AT_ONCE, 8)
    ordinary, x = copy.deepcopy(module), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(module(x), ordinary(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module(x), ordinary(x))
    weights = dict(module.named_parameters())
    wanted = torch.func.grad(lambda w: torch.func.functional_call(ordinary, w, x).sum())(weights)
    found = torch.func.grad(lambda w: torch.func.functional_call(module, w, x).sum())(weights)
    assert all(torch.equal(wanted[name], found[name]) for name in weights)
    others = {name: torch.randn_like(weight) for name, weight in weights.items()}
    got, expected = (torch.func.functional_call(m, others, (x,)) for m in (module, ordinary))
    assert torch.equal(got, expected)
    with forward_ad.dual_level():
        forward_ad.unpack_dual(module(forward_ad.make_dual(x, x)))
    with pytest.raises(AssertionError, match="asked for"):
        module(x)
    module.double(), ordinary.double()
    assert torch.equal(module(x.double()), ordinary(x.double()))
    pruner.finish()


def test_the_module_stays_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    all_are(SPARSE, monkeypatch)
    module = net()
    before, text = {name: tensor.shape for name, tensor in module.state_dict().items()}, repr(module)
    parts = dict(module.named_modules())
    calls: list[str] = []
    module.plain.register_forward_hook(lambda *_: calls.append("hook"))
    pruner = ClickTrain(module, AT_ONCE, 8)
    step(module, pruner, 2)
    assert calls == ["hook", "hook"]
    assert {name: tensor.shape for name, tensor in module.state_dict().items()} == before
    assert repr(module) == text
    assert all(part is parts[name] for name, part in module.named_modules())

    module.plain._forward_hooks.clear()
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for other in (copy.deepcopy(module), torch.load(file, weights_only=False)):
        assert switched(other) == []
        assert type(other.plain) is nn.Conv2d
        assert vars(other.plain).keys() == vars(net().plain).keys()
        step(other, None)

    assert switched(module) == SWITCHED
    pruner.finish()
    assert switched(module) == []
    assert type(module.plain) is nn.Conv2d
    assert vars(module.plain).keys() == vars(net().plain).keys()
    pruner.step()
    assert switched(module) == []


def test_torch_fx_takes_a_switched_convolution_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    all_are(SPARSE, monkeypatch)
    module, x = net().eval(), torch.randn(2, 3, 8, 8)
    module.same, module.own = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(16, 8, 3, padding=1)
    pruner = ClickTrain(module, AT_ONCE, 8)
    traced = torch.fx.symbolic_trace(module)
    assert sum(node.op == "call_module" for node in traced.graph.nodes) == 9
    assert torch.equal(traced(x), module(x))
    pruner.finish()


def test_gradients_of_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    all_are(SPARSE, monkeypatch)
    module = net().eval()
    pruner = ClickTrain(module, AT_ONCE, 8)
    found = []
    for part in (module, copy.deepcopy(module)):
        x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
        (dx,) = torch.autograd.grad(part(x).square().sum(), x, create_graph=True)
        dx.square().sum().backward()
        found.append([x.grad, *(weight.grad for weight in part.parameters())])
    assert switched(module) == SWITCHED
    masks = pruner._masks.tensors
    names = ["x", *(name.removesuffix(".weight") for name, _ in module.named_parameters())]
    for name, got, wanted in zip(names, *found, strict=True):
        if wanted is None:
            assert got is None
            continue
        assert got is not None, name
        mask = masks.get(name, torch.ones(()))
        assert torch.allclose(got * mask, wanted * mask, rtol=1e-3, atol=1e-5), name


def test_a_pruner_that_is_gone_leaves_ordinary_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its masks would leave out most of the weights that are loaded next."""
    all_are(SPARSE, monkeypatch)
    module = net().eval()
    pruner = ClickTrain(module, AT_ONCE, 8)
    step(module, pruner)
    y = module(torch.randn(2, 3, 8, 8))
    del pruner
    gc.collect()
    y.sum().backward()
    torch.manual_seed(1)
    other = Net().eval()
    module.load_state_dict(other.state_dict())
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(module(x), other(x))
    assert switched(module) == []


@pytest.mark.parametrize("forget", [False, True])
def test_a_second_pruner_begins_with_ordinary_convolutions(forget: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    all_are(SPARSE, monkeypatch)
    module = net()
    first = [ClickTrain(module, AT_ONCE, 8)]
    step(module, first[0])
    if forget:
        first.clear()
        gc.collect()
    second = ClickTrain(module, Recipe(compression=8, cut_at=0, sparse_training="measured"), 8)
    assert second.compression == pytest.approx(8, rel=0.01)
    assert switched(module) == SWITCHED
    for pruner in first:
        pruner.finish()
        assert pruner.state_dict()["sparse"] == {}
    assert switched(module) == SWITCHED  # the second one's by now
    step(module, second)
    second.finish()
    assert switched(module) == []

    third = ClickTrain(module, AT_ONCE, 8)
    ClickTrain(module, Recipe(compression=1), 8)
    assert switched(module) == []
    third.finish()


def test_a_copied_pruner_goes_on_with_its_copied_network(monkeypatch: pytest.MonkeyPatch) -> None:
    all_are(SPARSE, monkeypatch)
    module = net()
    pruner = ClickTrain(module, AT_ONCE, 8)
    step(module, pruner)
    other, copied = copy.deepcopy((module, pruner))
    assert copied.state_dict()["sparse"] == {}
    copied.load_state_dict(pruner.state_dict())
    assert copied.state_dict()["sparse"] == pruner.state_dict()["sparse"]
    other, copied = copy.deepcopy((module, pruner))
    step(other, copied)
    copied.finish()
    assert switched(other) == []
    assert switched(module) == SWITCHED
    pruner.finish()


@pytest.mark.parametrize("how", ["rule", "measured"])
@pytest.mark.parametrize(("content", "message"), [(None, "is missing"), (b"x", "does not load")])
def test_a_library_that_is_missing_or_broken_is_an_error(
    content: bytes | None, message: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cct.runtime.library.files", lambda package: tmp_path)
    if content is not None:
        (tmp_path / "libcct_ops.so").write_bytes(content)
    with pytest.raises(LibraryError, match=message):
        ClickTrain(net(), Recipe(compression=4, cut_at=0, sparse_training=how), 8)
    ClickTrain(net(), Recipe(compression=4, cut_at=0, sparse_training="off"), 8).finish()


@pytest.mark.parametrize("how", ["rule", "measured"])
def test_without_a_training_step_no_structure_is_built(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object) -> None:
        raise AssertionError("built")

    monkeypatch.setattr(switch, "SparseConvolution", fails)
    module = net()
    pruner = ClickTrain(module, Recipe(compression=4, cut_at=0, sparse_training=how), 8)
    with torch.no_grad():
        module(torch.randn(2, 3, 8, 8))
    pruner.finish()


def test_more_patterns_than_a_pool_holds_leave_a_convolution_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*arguments: object) -> None:
        raise OperatorError("too many")

    monkeypatch.setattr(switch, "SparseConvolution", refuses)
    module = net()
    pruner = ClickTrain(module, AT_ONCE, 8)
    step(module, pruner)
    assert switched(module) == []
    pruner.finish()


def test_what_was_measured_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    all_are(ProductChoice(True, False, True), monkeypatch)
    module = net()
    pruner = ClickTrain(module, AT_ONCE, 8)
    step(module, pruner)
    state = pruner.state_dict()
    assert state["sparse"] == {
        name: [[4, 4, 1, 0, 1] if name in ("grouped", "point") else [8, 8, 1, 0, 1]] for name in SWITCHED
    }

    all_are(DENSE, monkeypatch)
    again = net()
    other = ClickTrain(again, AT_ONCE, 8)
    other.load_state_dict(state)
    step(again, other)
    assert other.state_dict()["sparse"] == state["sparse"]


@pytest.mark.parametrize(
    "sparse",
    [
        None,
        {1: []},
        {"plain": 1},
        {"plain": [[8, 8, 1, 0]]},
        {"plain": [[8, 8, 1, 0, 2]]},
        {"plain": [[0, 8, 1, 0, 1]]},
    ],
)
def test_a_state_with_impossible_choices_is_refused(sparse: object) -> None:
    pruner = ClickTrain(net(), AT_ONCE, 8)
    state = {**pruner.state_dict(), "sparse": sparse}
    with pytest.raises(StateError, match="sparse products"):
        pruner.load_state_dict(state)


def test_choices_are_of_a_run_that_measures() -> None:
    pruner = ClickTrain(net(), Recipe(compression=4, cut_at=0), 8)
    with pytest.raises(StateError, match="sparse products"):
        pruner.load_state_dict({**pruner.state_dict(), "sparse": {"plain": [[8, 8, 1, 1, 1]]}})


@pytest.mark.parametrize("how", ["rule", "measured"])
def test_a_continued_training_ends_in_the_same_bits(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run is interrupted after the cut; what it measured is not what the second would measure."""
    all_are(ProductChoice(True, False, True), monkeypatch)
    digits = load_data("digits")
    recipe = Recipe(compression=4, epochs=3, cut_at=0.2, batch_size=32, sparse_training=how)

    def run(file: Path | None, stop_after: int | None = None) -> dict[str, Tensor]:
        torch.manual_seed(0)
        module = Net(channels=1)
        pruner = ClickTrain(module, recipe, total_steps(digits, recipe))

        def log(line: str) -> None:
            if stop_after is not None and line.startswith(f"epoch {stop_after + 1}/"):
                raise CctError("stopped")

        fine_tune(module, digits, recipe, pruner, log=log, state=file and StateFile(file, {}))
        return module.state_dict()

    whole = run(None)
    with pytest.raises(CctError, match="stopped"):
        run(tmp_path / "state.pt", stop_after=1)
    all_are(DENSE, monkeypatch)
    continued = run(tmp_path / "state.pt")
    assert all(torch.equal(tensor, continued[name]) for name, tensor in whole.items())
