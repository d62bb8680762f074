"""The products of a pruned convolution in training, against torch's own with the masked weight."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from cct.runtime.library import supported
from cct.sparse_training.autograd import SPARSE, ProductChoice, SwitchedConvolution, register, sparse_conv2d
from cct.sparse_training.products import Pair, SparseConvolution

if not supported():
    pytest.skip("no operator library for this platform", allow_module_level=True)

EPS = 2.0**-23


@dataclass(frozen=True)
class Case:
    """A masked convolution and an input."""

    mask: Tensor
    size: Pair
    images: int
    stride: Pair
    padding: Pair
    dilation: Pair
    group: int
    bias: bool
    seed: int

    def convolution(self) -> SparseConvolution:
        return SparseConvolution(self.mask, self.stride, self.padding, self.dilation, self.group)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """X, weight and bias, which want gradients."""
        generator = torch.Generator().manual_seed(self.seed)
        channels = self.mask.shape[1] * self.group
        x = torch.randn(self.images, channels, *self.size, generator=generator)
        weight = torch.randn(self.mask.shape, generator=generator) * self.mask
        bias = torch.randn(len(weight), generator=generator) if self.bias else None
        return x.requires_grad_(), weight.requires_grad_(), None if bias is None else bias.requires_grad_()

    def geometry(self) -> tuple[Pair, Pair, Pair, int]:
        return self.stride, self.padding, self.dilation, self.group


def block_mask(blocks: tuple[int, int], outputs: int, inputs: int, kernel: Pair, kept: float, seed: int) -> Tensor:
    """Blocks of channels that keep the same positions, in a random order."""
    generator = torch.Generator().manual_seed(seed)
    shape = -(-outputs // blocks[0]), -(-inputs // blocks[1])
    positions = torch.rand(*shape, *kernel, generator=generator) < 0.5
    positions &= torch.rand(*shape, 1, 1, generator=generator) < kept
    mask = positions.repeat_interleave(blocks[0], 0).repeat_interleave(blocks[1], 1)[:outputs, :inputs]
    return mask[torch.randperm(outputs, generator=generator)].float()


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kernel = draw(st.sampled_from([(3, 3), (3, 3), (1, 1), (2, 3), (5, 1)]))
    group = draw(st.integers(1, 3))
    seed = draw(st.integers(0, 2**32 - 1))
    mask = block_mask(
        draw(st.sampled_from([(1, 1), (2, 1), (4, 1), (4, 2)])),
        group * draw(st.sampled_from([1, 4, 8, 9])),
        draw(st.integers(1, 5)),
        kernel,
        draw(st.sampled_from([0.0, 0.3, 1.0])),
        seed,
    )
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    reach = [(k - 1) * d + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    size = draw(st.tuples(*(st.integers(max(r, 1), max(r, 1) + 18) for r in reach)))
    return Case(
        mask=mask,
        size=(size[0], size[1]),
        images=draw(st.integers(1, 3)),
        stride=draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (3, 3), (1, 2)])),
        padding=padding,
        dilation=dilation,
        group=group,
        bias=draw(st.booleans()),
        seed=seed,
    )


def products(y: Tensor, tensors: tuple[Tensor | None, ...], dy: Tensor) -> list[Tensor]:
    """Y and the gradients."""
    return [y.detach(), *torch.autograd.grad(y, [tensor for tensor in tensors if tensor is not None], dy)]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(), st.builds(ProductChoice, st.booleans(), st.booleans(), st.booleans()))
def test_every_choice_agrees_with_torch(case: Case, choice: ProductChoice) -> None:
    chosen = SwitchedConvolution(case.convolution(), {case.size: choice})
    number, tensors = register(chosen), case.tensors()
    x, weight, bias = tensors
    y = F.conv2d(x, weight, bias, *case.geometry())
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    got = products(sparse_conv2d(x, weight, bias, number), tensors, dy)
    double = tuple(None if t is None else t.detach().double().requires_grad_() for t in tensors)
    exact = products(F.conv2d(double[0], double[1], double[2], *case.geometry()), double, dy.double())
    sizes = tuple(None if t is None else t.detach().double().abs().requires_grad_() for t in tensors)
    bounds = products(F.conv2d(sizes[0], sizes[1], sizes[2], *case.geometry()), sizes, dy.double().abs())
    got[2], exact[2] = got[2] * case.mask, exact[2] * case.mask  # of pruned weights the gradient is of no account
    for found, wanted, bound in zip(got, exact, bounds, strict=True):
        assert found.shape == wanted.shape
        assert bool(((found - wanted).abs() <= 16 * EPS * bound).all())


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's check looks at it
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_torch_finds_the_operators_in_order(stride: int, bias: bool) -> None:
    mask = block_mask((4, 1), 8, 6, (3, 3), 0.5, 0)
    case = Case(mask, (8, 9), 2, (stride, stride), (1, 1), (1, 1), 1, bias, 0)
    chosen = SwitchedConvolution(case.convolution(), {case.size: SPARSE})
    number = register(chosen)
    x, weight, b = case.tensors()
    torch.library.opcheck(sparse_conv2d, (x, weight, b, number))
    dy = torch.randn_like(sparse_conv2d(x, weight, b, number))
    for name in ("input", "weight"):
        operator = getattr(torch.ops.cct, f"sparse_conv2d_{name}").default
        torch.library.opcheck(operator, (dy, x.detach(), weight.detach(), number))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("choice", [SPARSE, ProductChoice(True, False, True), ProductChoice(False, True, False)])
def test_gradients_of_gradients_are_those_of_the_masked_weight(stride: int, group: int, choice: ProductChoice) -> None:
    case = Case(block_mask((4, 1), 8, 3, (3, 3), 0.5, 0), (8, 9), 2, (stride, stride), (1, 1), (1, 1), group, True, 0)
    chosen = SwitchedConvolution(case.convolution(), {case.size: choice})
    number, found = register(chosen), []
    for sparse in (True, False):
        x, weight, bias = case.tensors()
        if sparse:
            y = sparse_conv2d(x, weight, bias, number)
        else:
            y = F.conv2d(x, weight * case.mask, bias, *case.geometry())
        dx, dw = torch.autograd.grad(y.pow(3).sum(), (x, weight), create_graph=True)
        ((dx**2).sum() + ((dw * case.mask) ** 2).sum()).backward()
        seconds = [tensor.grad for tensor in (x, weight, bias) if tensor is not None and tensor.grad is not None]
        seconds[1] = seconds[1] * case.mask
        found.append((dx.detach(), dw.detach() * case.mask, *seconds))
    assert len(found[0]) == 5
    for got, wanted in zip(*found, strict=True):
        assert torch.allclose(got, wanted, rtol=1e-3, atol=float(1e-5 * wanted.abs().max()))


def test_tensors_may_lie_in_memory_as_they_like() -> None:
    case = Case(block_mask((4, 1), 8, 6, (3, 3), 0.5, 0), (8, 9), 2, (1, 1), (1, 1), (1, 1), 1, False, 0)
    chosen = SwitchedConvolution(case.convolution(), {case.size: SPARSE})
    number = register(chosen)
    x, weight, _ = case.tensors()
    plain = products(sparse_conv2d(x, weight, None, number), (x, weight), torch.ones(2, 8, 8, 9))
    moved = tuple(t.detach().contiguous(memory_format=torch.channels_last).requires_grad_() for t in (x, weight))
    dy = torch.ones(2, 8, 8, 9).contiguous(memory_format=torch.channels_last)
    for a, b in zip(plain, products(sparse_conv2d(*moved, None, number), moved, dy), strict=True):
        assert torch.equal(a, b)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    case = Case(block_mask((4, 1), 24, 16, (3, 3), 0.5, 0), (16, 16), 20, (1, 1), (1, 1), (1, 1), 1, False, 0)
    chosen = SwitchedConvolution(case.convolution(), {case.size: SPARSE})
    number, before, found = register(chosen), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            x, weight, _ = case.tensors()
            found.append(products(sparse_conv2d(x, weight, None, number), (x, weight), torch.ones(20, 24, 16, 16)))
    finally:
        torch.set_num_threads(before)
    for other, a in itertools.product(found[1:], range(3)):
        assert torch.equal(other[a], found[0][a])
