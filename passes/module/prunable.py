"""Which convolutions of a network may be pruned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from torch import nn

from cct.errors import RecipeError

_SHORTCUTS = {"downsample", "shortcut"}


def prunable(module: nn.Module, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> dict[str, str | None]:
    """Tell for every convolution why it may not be pruned, or None if it may.

    Left dense: the first convolution (in the order of definition), shortcuts (a part of the name is `downsample` or
    `shortcut`), depthwise convolutions. `include` lifts these three.
    What has no packed form stays dense in any case: transposed, 1-D and 3-D convolutions, padding other than
    zeros, weights that are shared or computed.

    Args:
        module: the network.
        include: names of convolutions, or shell patterns such as `layer1.*`.
        exclude: likewise; wins over `include`.

    Raises:
        RecipeError: a name fits no convolution.
    """
    convolutions = {name: m for name, m in module.named_modules() if isinstance(m, nn.modules.conv._ConvNd)}
    for pattern in (*include, *exclude):
        if not any(fnmatchcase(name, pattern) for name in convolutions):
            near = get_close_matches(pattern, convolutions, n=1) or list(convolutions)[:1]
            raise RecipeError(f"no convolution is named {pattern}; is it {' '.join(near) or 'another network'}?")
    uses = Counter(
        id(parameter) for owner in module.modules() for parameter in owner._parameters.values() if parameter is not None
    )
    answer: dict[str, str | None] = {}
    for position, (name, convolution) in enumerate(convolutions.items()):
        if any(fnmatchcase(name, pattern) for pattern in exclude):
            reason: str | None = "excluded"
        else:
            reason = _no_packed_form(convolution, uses)
            if reason is None and not any(fnmatchcase(name, pattern) for pattern in include):
                reason = _left_dense(name, convolution, first=position == 0)
        answer[name] = reason
    return answer


def _no_packed_form(convolution: nn.modules.conv._ConvNd, uses: Counter[int]) -> str | None:
    if not isinstance(convolution, nn.Conv2d):
        return f"{type(convolution).__name__}, not Conv2d"
    if convolution.padding_mode != "zeros":
        return f"padding mode {convolution.padding_mode}"
    weight = convolution._parameters.get("weight")
    if weight is None:
        return "its weight is computed from others"
    if uses[id(weight)] > 1:
        return "its weight is shared"
    return None


def _left_dense(name: str, convolution: nn.modules.conv._ConvNd, first: bool) -> str | None:
    if first:
        return "first convolution"
    if _SHORTCUTS & set(name.split(".")):
        return "shortcut"
    if convolution.groups > 1 and convolution.in_channels == convolution.groups:
        return "depthwise"
    return None
