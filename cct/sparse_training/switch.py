"""Convolutions of a network whose training steps compute only with the weights that they keep."""

from __future__ import annotations

import copyreg
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from cct.errors import OperatorError, StateError
from cct.runtime.library import load_library, serves_training, supported
from cct.sparse_training.autograd import (
    DENSE,
    ProductChoice,
    SwitchedConvolution,
    input_gradient,
    output,
    register,
    sparse_conv2d,
    weight_gradient,
)
from cct.sparse_training.products import Pair, SparseConvolution

_MOST_KEPT = 0.5  # density up to which the rule takes the sparse products
_MOST_KEPT_STRIDED = 0.2  # and the input gradient with a stride, whose phases have to be put together
_TIMED_RUNS = 3
_CLEARLY = 0.9  # of the dense time


class SparseTraining:
    """Pruned convolutions that are switched to sparse products, and back.

    A convolution stays the object that it was, with its parameters, hooks and state_dict; its class alone is another
    one meanwhile. Copies and pickles of it are ordinary ones. Whatever is no training step in float32 on the CPU is
    computed as ever: evaluation without gradients, autocast, torch.func, compiled or exported networks, and weights
    that stand in for the convolution's own.

    Keep the object: when it is gone, so are its masks, and its convolutions become ordinary ones when they next run.

    Args:
        convolutions: by name; those of a class of the user's own are left alone.
        masks: non-zero where a weight stays, by the same names.
        how: "rule" decides by density and instruction set, "measured" by the first step with each size of images, "off"
            switches nothing.

    Raises:
        LibraryError: there is something to switch, and the library is missing or does not load.
    """

    def __init__(self, convolutions: Mapping[str, nn.Module], masks: Mapping[str, Tensor], how: str) -> None:
        self._how, self._switched = how, dict[str, nn.Module]()
        if how == "off" or not supported():
            return
        for name, convolution in convolutions.items():
            if not _can_be_switched(convolution):
                continue
            load_library()  # here rather than in the first step
            rule = _by_rule(masks[name], convolution.stride) if how == "rule" else None
            if rule == DENSE:
                continue
            convolution.__dict__[_ATTRIBUTE] = _Switch(self, convolution.weight, masks[name], rule)
            convolution.__class__ = SparseConv2d
            self._switched[name] = convolution

    def restore(self) -> None:
        """Make all convolutions ordinary ones again."""
        for convolution in self._switched.values():
            if self._switch(convolution) is not None:
                make_ordinary(convolution)
        self._switched.clear()

    def state_dict(self) -> dict[str, list[list[int]]]:
        """What was measured: height, width and three times 0 or 1, for each size of images, by convolution."""
        if self._how != "measured":
            return {}
        return {
            name: [[*size, *map(int, choice)] for size, choice in switch.choices.items()]
            for name, convolution in self._switched.items()
            if (switch := self._switch(convolution)) is not None
        }

    def load_state_dict(self, state: Mapping[str, list[list[int]]]) -> None:
        """Go on with what was measured before; `check_choices` must have found no fault in it."""
        for name in state.keys() & self._switched.keys():
            switch = self._switch(self._switched[name])
            if switch is not None:
                switch.choices.update({(row[0], row[1]): ProductChoice(*map(bool, row[2:])) for row in state[name]})

    def _switch(self, convolution: nn.Module) -> _Switch | None:
        """Of one that this has switched; None of a copy, and of one that is an ordinary one or another's by now."""
        switch: _Switch | None = convolution.__dict__.get(_ATTRIBUTE)
        return switch if switch is not None and switch.training() is self else None


def make_ordinary(module: nn.Module) -> None:
    """Make a switched convolution an ordinary one; leave every other module alone."""
    module.__dict__.pop(_ATTRIBUTE, None)
    if type(module) is SparseConv2d:
        module.__class__ = nn.Conv2d  # type: ignore[assignment]  # it was a subclass that adds no state


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
    """What a switched convolution holds.

    Args:
        training: whose it is; not kept alive.
        weight: of the convolution.
        mask: non-zero where a weight stays.
        rule: what is chosen for all sizes; None measures.
    """

    def __init__(self, training: SparseTraining, weight: Tensor, mask: Tensor, rule: ProductChoice | None) -> None:
        self.training, self.weight = weakref.ref(training), weight
        self.choices: dict[Pair, ProductChoice] = {}
        self._mask, self._rule = mask, rule
        self._convolution: SwitchedConvolution | None = None
        self._number = -1

    def run(self, convolution: SparseConv2d, x: Tensor) -> Tensor | None:
        """Y of x; None if it shall be computed as ever."""
        if self._convolution is None:  # only now: a network need not come to a training step
            structure = _structure(convolution, self._mask)
            if structure is None:
                make_ordinary(convolution)
                return None
            self._convolution = SwitchedConvolution(structure, self.choices)
            self._number = register(self._convolution)
        size, weight, bias = (x.shape[2], x.shape[3]), convolution.weight, convolution.bias
        if size not in self.choices:
            self.choices[size] = self._rule or _measure(self._convolution.structure, x, weight, bias)
        if self.choices[size] == DENSE:
            return None
        output: Tensor = sparse_conv2d(x, weight, bias, self._number)
        return output


class SparseConv2d(nn.Conv2d):
    """A convolution while it is switched."""

    __module__ = nn.Conv2d.__module__  # torch.fx takes torch's own modules as they are

    def forward(self, input: Tensor) -> Tensor:
        """As ever, but for the sums of products with weights that are zero."""
        if _is_training_step(input, self.weight):
            switch: _Switch | None = self.__dict__.get(_ATTRIBUTE)
            if switch is None or switch.training() is None:
                make_ordinary(self)
            elif self.weight is switch.weight:
                output = switch.run(self, input)
                if output is not None:
                    return output
        return nn.Conv2d.forward(self, input)

    def _get_name(self) -> str:
        return nn.Conv2d.__name__

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copies and pickles are of an ordinary convolution."""
        state = {name: value for name, value in self.__dict__.items() if name != _ATTRIBUTE}
        # what object.__reduce_ex__ itself gives; copyreg.__newobj__ would insist on this object's own class
        return copyreg._reconstructor, (nn.Conv2d, object, None), state  # type: ignore[attr-defined]


def _can_be_switched(convolution: nn.Module) -> TypeGuard[nn.Conv2d]:
    c = convolution
    if type(c) is not nn.Conv2d or isinstance(c.padding, str):
        return False
    return c.weight.device.type == "cpu" and c.weight.dtype == torch.float32


def _structure(c: nn.Conv2d, mask: Tensor) -> SparseConvolution | None:
    try:
        return SparseConvolution(mask, _pair(c.stride), _pair(c.padding), _pair(c.dilation), c.groups)
    except OperatorError:  # more patterns than a pool holds
        return None


def _pair(values: str | tuple[int, ...]) -> Pair:
    assert not isinstance(values, str)
    return values[0], values[1]


def _by_rule(mask: Tensor, stride: tuple[int, ...]) -> ProductChoice:
    density = int(mask.count_nonzero()) / mask.numel()
    if density > _MOST_KEPT or not serves_training():
        return DENSE
    return ProductChoice(True, stride == (1, 1) or density <= _MOST_KEPT_STRIDED, True)


def _is_training_step(x: Tensor, weight: Tensor) -> bool:
    return (
        not torch.compiler.is_compiling()
        and torch.is_grad_enabled()
        and type(x) in (Tensor, nn.Parameter)
        and x.ndim == 4
        and all(t.device.type == "cpu" and t.dtype == torch.float32 for t in (x, weight))
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
        and not _is_transformed()
    )


def _is_transformed() -> bool:
    """Whether torch.func or forward-mode differentiation is at work; torch has no public way to ask."""
    transformed = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)
    return bool(transformed() or getattr(forward_ad, "_current_level", -1) >= 0)


@torch.no_grad()
def _measure(convolution: SparseConvolution, x: Tensor, weight: Tensor, bias: Tensor | None) -> ProductChoice:
    """Time each product both ways, on these images."""
    c, dy = convolution, torch.ones_like(output(convolution, False, x, weight, bias))
    products: list[Callable[[bool], Tensor]] = [
        lambda sparse: output(c, sparse, x, weight, bias),
        lambda sparse: input_gradient(c, sparse, dy, x, weight),
        lambda sparse: weight_gradient(c, sparse, dy, x, weight),
    ]
    return ProductChoice(*(_seconds(product, True) < _CLEARLY * _seconds(product, False) for product in products))


def _seconds(product: Callable[[bool], Tensor], sparse: bool) -> float:
    """The least of several runs."""
    times = []
    for _ in range(_TIMED_RUNS):
        start = time.perf_counter()
        product(sparse)
        times.append(time.perf_counter() - start)
    return min(times)
