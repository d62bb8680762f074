"""Convolutions of a network whose training steps compute only with the weights that they keep."""

from __future__ import annotations

import copyreg
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cct.errors import LibraryError, OperatorError, StateError
from cct.library import isa, library_path, supported
from cct.sparse_convolution import Pair, SparseConvolution
from cct.sparse_operator import (
    DENSE,
    Choice,
    Chosen,
    input_gradient,
    output,
    register,
    sparse_conv2d,
    weight_gradient,
)

_FAST_ROWS = ("avx512", "avx2")
_MOST_KEPT = 0.5  # density up to which the rule takes the sparse products
_MOST_KEPT_STRIDED = 0.2  # and the input gradient with a stride, whose phases have to be put together
_TIMED_RUNS = 3
_CLEARLY = 0.9  # of the dense time


class SparseTraining:
    """Pruned convolutions that are switched to sparse products, and back.

    A convolution stays the object that it was, with its parameters, hooks and state_dict; its class alone is another
    one meanwhile. Copies and pickles of it are ordinary ones. Whatever is no training step in float32 on the CPU is
    computed as ever: evaluation without gradients, autocast, compiled or exported networks.

    Args:
        convolutions: by name; those of a class of the user's own are left alone.
        masks: non-zero where a weight stays, by the same names.
        how: "rule" decides by density and instruction set, "measured" by the first step with each size of images, "off"
            switches nothing.
    """

    def __init__(self, convolutions: Mapping[str, nn.Module], masks: Mapping[str, Tensor], how: str) -> None:
        self._how, self._switched = how, dict[str, nn.Module]()
        if how == "off" or not _library_is_there():
            return
        for name, convolution in convolutions.items():
            chosen = _structure(convolution, masks[name])
            if chosen is None or (how == "rule" and _by_rule(chosen.convolution) == DENSE):
                continue
            convolution.__dict__[_ATTRIBUTE] = _Switch(chosen, how)
            convolution.__class__ = SparseConv2d
            self._switched[name] = convolution

    def restore(self) -> None:
        """Make all convolutions ordinary ones again."""
        for convolution in self._switched.values():
            del convolution.__dict__[_ATTRIBUTE]
            convolution.__class__ = nn.Conv2d
        self._switched.clear()

    def state_dict(self) -> dict[str, list[list[int]]]:
        """What was measured: height, width and three times 0 or 1, for each size of images, by convolution."""
        if self._how != "measured":
            return {}
        return {
            name: [[*size, *map(int, choice)] for size, choice in conv.__dict__[_ATTRIBUTE].chosen.choices.items()]
            for name, conv in self._switched.items()
        }

    def load_state_dict(self, state: Mapping[str, list[list[int]]]) -> None:
        """Go on with what was measured before; `check_choices` must have found no fault in it."""
        for name in state.keys() & self._switched.keys():
            known = self._switched[name].__dict__[_ATTRIBUTE].chosen.choices
            known.update({(row[0], row[1]): Choice(*map(bool, row[2:])) for row in state[name]})


def check_choices(state: Any, how: str) -> None:
    """Refuse what `SparseTraining.state_dict` can't have returned.

    Raises:
        StateError: that.
    """
    good = isinstance(state, dict) and all(
        type(name) is str and isinstance(rows, list) and all(map(_is_row, rows)) for name, rows in state.items()
    )
    if not good or (state and how != "measured"):
        raise StateError("the state can't be continued: what it says of sparse products can't be right")


def _is_row(row: Any) -> bool:
    """Whether it is height, width and three times 0 or 1."""
    whole = isinstance(row, list) and len(row) == 5 and all(type(n) is int for n in row)
    return whole and min(row[:2]) >= 1 and set(row[2:]) <= {0, 1}


_ATTRIBUTE = "_cct_sparse"


class _Switch:
    """What a switched convolution holds."""

    def __init__(self, chosen: Chosen, how: str) -> None:
        self.chosen, self.how, self.number = chosen, how, register(chosen)

    def choose(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Choice:
        """What is chosen for images of that size, by measuring if need be."""
        size = x.shape[2], x.shape[3]
        if size not in self.chosen.choices:
            c = self.chosen.convolution
            self.chosen.choices[size] = _by_rule(c) if self.how == "rule" else _measure(c, x, weight, bias)
        return self.chosen.choices[size]


class SparseConv2d(nn.Conv2d):
    """A convolution while it is switched."""

    def forward(self, input: Tensor) -> Tensor:
        """As ever, but for the sums of products with weights that are zero."""
        if not _is_training_step(input, self.weight):
            return super().forward(input)
        switch: _Switch = self.__dict__[_ATTRIBUTE]
        if switch.choose(input, self.weight, self.bias) == DENSE:
            return super().forward(input)
        output: Tensor = sparse_conv2d(input, self.weight, self.bias, switch.number)
        return output

    def _get_name(self) -> str:
        return nn.Conv2d.__name__

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copies and pickles are of an ordinary convolution."""
        state = {name: value for name, value in self.__dict__.items() if name != _ATTRIBUTE}
        return copyreg._reconstructor, (nn.Conv2d, object, None), state  # type: ignore[attr-defined]


def _library_is_there() -> bool:
    try:
        return supported() and bool(library_path())
    except LibraryError:
        return False


def _structure(convolution: nn.Module, mask: Tensor) -> Chosen | None:
    """The structure of what can be switched."""
    c = convolution
    if type(c) is not nn.Conv2d or isinstance(c.padding, str):
        return None
    if c.weight.device.type != "cpu" or c.weight.dtype != torch.float32:
        return None
    try:
        return Chosen(SparseConvolution(mask, _pair(c.stride), _pair(c.padding), _pair(c.dilation), c.groups))
    except OperatorError:  # more patterns than a pool holds
        return None


def _pair(values: tuple[int, ...]) -> Pair:
    return values[0], values[1]


def _by_rule(convolution: SparseConvolution) -> Choice:
    if isa() not in _FAST_ROWS or convolution.density > _MOST_KEPT:
        return DENSE
    return Choice(True, convolution.stride == (1, 1) or convolution.density <= _MOST_KEPT_STRIDED, True)


def _is_training_step(x: Tensor, weight: Tensor) -> bool:
    return (
        torch.is_grad_enabled()
        and x.ndim == 4
        and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (x, weight))
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    )


@torch.no_grad()
def _measure(convolution: SparseConvolution, x: Tensor, weight: Tensor, bias: Tensor | None) -> Choice:
    """Time each product both ways, on these images."""
    c, dy = convolution, torch.ones_like(output(convolution, False, x, weight, bias))
    products: list[Callable[[bool], Tensor]] = [
        lambda sparse: output(c, sparse, x, weight, bias),
        lambda sparse: input_gradient(c, sparse, dy, x, weight),
        lambda sparse: weight_gradient(c, sparse, dy, x, weight),
    ]
    return Choice(*(_seconds(product, True) < _CLEARLY * _seconds(product, False) for product in products))


def _seconds(product: Callable[[bool], Tensor], sparse: bool) -> float:
    """The least of several runs."""
    times = []
    for _ in range(_TIMED_RUNS):
        start = time.perf_counter()
        product(sparse)
        times.append(time.perf_counter() - start)
    return min(times)
