"""Which weights of a network stay: the plan, the patterns of its blocks, the blocks that are kept, and the masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, distributed, nn

from cct.errors import UnsupportedModel
from cct.passes.module.importance import magnitude
from cct.passes.module.lasso import lasso
from cct.passes.module.plan_masks import Plan, plan_masks
from cct.pruning.plan_state import read_plan, write_plan
from cct.recipe.blocks import format_blocks
from cct.recipe.recipe import Recipe

_TOLERANCE = 0.01  # of the compression that was asked for


class Masks:
    """The masks of all convolutions that are pruned; there are none before the choice.

    Args:
        weights: (O, C/group, kh, kw) by the name of the convolution.
        groups: of each convolution.
        recipe: gives compression, and how masks are chosen.
        agree: whether the processes of a distributed training take over what the first one chooses.

    Attributes:
        plan: pool and blocks.
        tensors: 1 where a weight stays, in the shape and memory format of each weight.
    """

    def __init__(
        self, weights: Mapping[str, nn.Parameter], groups: Mapping[str, int], recipe: Recipe, agree: bool
    ) -> None:
        self.plan: Plan | None = None
        self.tensors: dict[str, Tensor] = {}
        self._weights, self._groups, self._recipe, self._agree = weights, groups, recipe, agree
        self._total = sum(weight.numel() for weight in weights.values())

    @property
    def compression(self) -> float:
        """Weights / weights that the masks keep, now."""
        if not self.tensors:
            return 1.0
        return self._total / sum(int(mask.sum()) for mask in self.tensors.values())

    def choose(self, scores: Mapping[str, Tensor]) -> None:
        """Choose pool, blocks and patterns, and the blocks that stay in the end.

        Args:
            scores: importance now, (O, C/group, kh*kw) per layer.

        Raises:
            UnsupportedModel: the blocks are too coarse for the compression.
        """
        plan = plan_masks(scores, self._groups, self._recipe)
        self._adopt(plan, plan.patterns(scores))
        self.choose_connectivity(scores)
        self._check_compression(self.compression, _TOLERANCE)

    def choose_connectivity(self, scores: Mapping[str, Tensor], surplus: float = 0.0) -> None:
        """Choose anew which blocks stay, by what their patterns keep.

        Args:
            scores: importance now.
            surplus: share that stays for now of the blocks that will go.
        """
        assert self.plan is not None
        final = self._total / self._recipe.compression / self._size
        budget = round((final + (1 - final) * surplus) * self._size)
        self._kept = self.plan.connectivity(scores, self._patterns, budget, self._recipe)
        if self._agree and distributed.is_available() and distributed.is_initialized():
            self._adopt_first()
        self.tensors = self._spread(self.plan, self._kept)

    @torch.no_grad()
    def cut(self) -> None:
        """Set every weight that does not stay to 0."""
        torch._foreach_mul_(list(self._weights.values()), list(self.tensors.values()))

    def lasso(self) -> Tensor:
        """Sum of the norms of what goes, a scalar."""
        terms = [
            lasso(weight, self._whole[name], self.tensors[name].amax((2, 3))) for name, weight in self._weights.items()
        ]
        return torch.stack(terms).sum()

    def check_reachable(self) -> None:
        """Fail now, not when patterns are chosen: how much blocks can keep hardly depends on weights and grouping.

        Raises:
            UnsupportedModel: as `choose` will.
        """
        scores = {name: magnitude(weight).flatten(2) for name, weight in self._weights.items()}
        plan = plan_masks(scores, self._groups, replace(self._recipe, grouping="none"))
        patterns = plan.patterns(scores)
        kept = plan.connectivity(scores, patterns, round(self._total / self._recipe.compression), self._recipe)
        left = sum(int(mask.sum()) for mask in plan.masks(patterns, kept).values())
        self._check_compression(self._total / left, 2 * _TOLERANCE)

    def state(self) -> dict[str, Any] | None:
        """All decisions as plain values; None before the choice."""
        return None if self.plan is None else write_plan(self.plan, self._patterns, self._kept)

    def load(self, state: Any) -> None:
        """Take over what `state` returned; it is not trusted.

        Raises:
            StateError: it is of other weights or another recipe; nothing has changed.
        """
        if state is None:
            self.plan, self.tensors = None, {}
            return
        plan, patterns, self._kept = read_plan(state, self._weights, self._groups, self._recipe)
        self._adopt(plan, patterns)
        self.tensors = self._spread(plan, self._kept)

    def _adopt(self, plan: Plan, patterns: dict[str, Tensor]) -> None:
        """Keep what is decided once."""
        self.plan, self._patterns = plan, patterns
        self._size = plan.size(patterns)
        every = {name: pattern.new_ones((1, 1, 1), dtype=torch.bool) for name, pattern in patterns.items()}
        self._whole = self._spread(plan, every)  # by patterns alone, for the lasso

    def _adopt_first(self) -> None:
        """Keep what the first process has decided: sums on a GPU may differ from run to run in the last bits."""
        decisions = [self.state()]
        # they travel through the memory of the weights' GPU; torch would take the current one
        device = next(iter(self._weights.values())).device if distributed.get_backend() == "nccl" else None
        distributed.broadcast_object_list(decisions, device=device)
        plan, patterns, self._kept = read_plan(decisions[0], self._weights, self._groups, self._recipe)
        self._adopt(plan, patterns)

    def _spread(self, plan: Plan, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """From blocks to weights."""
        masks = plan.masks(self._patterns, kept)
        return {
            name: torch.empty_like(weight, requires_grad=False).copy_(masks[name].view_as(weight))
            for name, weight in self._weights.items()
        }

    def _check_compression(self, compression: float, tolerance: float) -> None:
        """Make sure that blocks are fine enough for the asked compression."""
        asked = self._recipe.compression
        if abs(compression / asked - 1) <= tolerance:
            return
        blocks = format_blocks(*map(self._recipe.block_of, self._weights))
        raise UnsupportedModel(
            f"compression {asked:g} cannot be reached with blocks of {blocks}, which come to "
            f"{compression:.3g}: ask for that, or take smaller blocks"
        )
