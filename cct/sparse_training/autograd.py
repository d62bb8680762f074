"""`cct::sparse_conv2d`: a pruned convolution as a torch operator with gradients, sparse where that was chosen.

An operator takes tensors and numbers, so the structure of a convolution is known by a number: `register` gives it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.nn import functional as F

from cct.sparse_training.products import Pair, SparseConvolution


class ProductChoice(NamedTuple):
    """Which products of a training step are computed from kept weights alone, for one size of images."""

    output: bool
    input_gradient: bool
    weight_gradient: bool


DENSE, SPARSE = ProductChoice(False, False, False), ProductChoice(True, True, True)


@dataclass(eq=False)
class SwitchedConvolution:
    """A convolution and what was chosen for it.

    Attributes:
        structure: with its three products.
        choices: by height and width of X; another size is dense.
    """

    structure: SparseConvolution
    choices: dict[Pair, ProductChoice] = field(default_factory=dict)

    def choice(self, size: torch.Size) -> ProductChoice:
        """What was chosen for X of that shape."""
        return self.choices.get((size[2], size[3]), DENSE)


_numbers = itertools.count()
_known: WeakValueDictionary[int, SwitchedConvolution] = WeakValueDictionary()


def register(switched: SwitchedConvolution) -> int:
    """The number by which the operators know it, as long as it lives."""
    number = next(_numbers)
    _known[number] = switched
    return number


def output(c: SparseConvolution, sparse: bool, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Y, from the kept weights or as torch computes it."""
    if sparse:
        return c.output(x, weight, bias)
    return F.conv2d(x, weight, bias, c.stride, c.padding, c.dilation, c.group)


def input_gradient(c: SparseConvolution, sparse: bool, dy: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """DX, likewise; as torch computes it also where there is no other way."""
    size = x.shape[2], x.shape[3]
    if sparse and c.has_input_gradient(dy, size):
        return c.input_gradient(dy, weight, size)
    return _dense_gradient(c, dy, x, weight, of_x=True)


def weight_gradient(c: SparseConvolution, sparse: bool, dy: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """DW, likewise."""
    return c.weight_gradient(dy, x, weight) if sparse else _dense_gradient(c, dy, x, weight, of_x=False)


def _dense_gradient(c: SparseConvolution, dy: Tensor, x: Tensor, weight: Tensor, of_x: bool) -> Tensor:
    geometry = (list(c.stride), list(c.padding), list(c.dilation), False, [0, 0], c.group)
    gradients = torch.ops.aten.convolution_backward(dy, x, weight, None, *geometry, [of_x, not of_x, False])
    gradient: Tensor = gradients[0 if of_x else 1]
    return gradient


@torch.library.custom_op("cct::sparse_conv2d", mutates_args=(), device_types="cpu")
def sparse_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, number: int) -> Tensor:
    """Y of x (N, C, H, W) by the masked `weight`."""
    switched = _known[number]
    return output(switched.structure, switched.choice(x.shape).output, x, weight, bias).contiguous()


@torch.library.custom_op("cct::sparse_conv2d_input", mutates_args=(), device_types="cpu")
def sparse_conv2d_input(dy: Tensor, x: Tensor, weight: Tensor, number: int) -> Tensor:
    """DX, in the shape of x."""
    switched = _known[number]
    sparse = switched.choice(x.shape).input_gradient
    return input_gradient(switched.structure, sparse, dy, x, weight).contiguous()


@torch.library.custom_op("cct::sparse_conv2d_weight", mutates_args=(), device_types="cpu")
def sparse_conv2d_weight(dy: Tensor, x: Tensor, weight: Tensor, number: int) -> Tensor:
    """DW, in the shape of weight; of no account where a weight is pruned."""
    switched = _known[number]
    sparse = switched.choice(x.shape).weight_gradient
    return weight_gradient(switched.structure, sparse, dy, x, weight).contiguous()


@sparse_conv2d.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None, number: int) -> Tensor:
    c = _known[number].structure
    reach = [(weight.shape[2 + i] - 1) * c.dilation[i] + 1 for i in range(2)]
    sizes = [(x.shape[2 + i] + 2 * c.padding[i] - reach[i]) // c.stride[i] + 1 for i in range(2)]
    return x.new_empty(x.shape[0], weight.shape[0], *sizes)


@sparse_conv2d_input.register_fake
def _(dy: Tensor, x: Tensor, weight: Tensor, number: int) -> Tensor:
    return x.new_empty(x.shape)


@sparse_conv2d_weight.register_fake
def _(dy: Tensor, x: Tensor, weight: Tensor, number: int) -> Tensor:
    return weight.new_empty(weight.shape)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, _, ctx.number = inputs
    ctx.switched = _known[ctx.number]  # lives as long as a backward pass may come
    ctx.save_for_backward(x, weight)


def _backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
    x, weight = ctx.saved_tensors
    of_x, of_weight, of_bias, _ = ctx.needs_input_grad
    number = ctx.number
    return (
        sparse_conv2d_input(dy, x, weight, number) if of_x else None,
        sparse_conv2d_weight(dy, x, weight, number) if of_weight else None,
        dy.sum((0, 2, 3)) if of_bias else None,
        None,
    )


sparse_conv2d.register_autograd(_backward, setup_context=_setup_context)


def _setup_context_of_gradient(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, number = inputs
    ctx.switched = _known[number]
    ctx.save_for_backward(*tensors)


# Derivatives of the gradients: torch's own products, which it can differentiate again. DX and DW are linear in dY, and
# in the weight and X; where kept weights alone were computed with, the others don't count.


def _backward_of_input(ctx: Any, ddx: Tensor) -> tuple[Tensor | None, ...]:
    dy, x, weight = ctx.saved_tensors
    switched: SwitchedConvolution = ctx.switched
    of_dy, _, of_weight, _ = ctx.needs_input_grad
    c, sparse = switched.structure, switched.choice(x.shape).input_gradient
    ddy = output(c, False, ddx, c.masked(weight) if sparse else weight, None) if of_dy else None
    dw = _dense_gradient(c, dy, ddx, weight, of_x=False) if of_weight else None
    return ddy, None, c.masked(dw) if sparse and dw is not None else dw, None


def _backward_of_weight(ctx: Any, ddw: Tensor) -> tuple[Tensor | None, ...]:
    dy, x, _ = ctx.saved_tensors
    switched: SwitchedConvolution = ctx.switched
    of_dy, of_x, _, _ = ctx.needs_input_grad
    c = switched.structure
    ddw = c.masked(ddw) if switched.choice(x.shape).weight_gradient else ddw
    ddy = output(c, False, x, ddw, None) if of_dy else None
    return ddy, _dense_gradient(c, dy, x, ddw, of_x=True) if of_x else None, None, None


sparse_conv2d_input.register_autograd(_backward_of_input, setup_context=_setup_context_of_gradient)
sparse_conv2d_weight.register_autograd(_backward_of_weight, setup_context=_setup_context_of_gradient)
