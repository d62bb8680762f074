"""ClickTrain (ICS'21, doi 10.1145/3447818.3459988): prune by patterns while training, in anybody's loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, distributed, nn

from cct.errors import CctError, RecipeError, StateError, UnsupportedModel
from cct.messages import printable
from cct.passes.module.check_blocks import check_blocks
from cct.passes.module.importance import magnitude, taylor
from cct.passes.module.lasso import lasso
from cct.passes.module.plan_masks import Plan, plan_masks
from cct.passes.module.prunable import prunable
from cct.pruning.plan_state import is_plain, read_plan, write_plan
from cct.recipe.blocks import format_blocks
from cct.recipe.recipe import Recipe
from cct.sparse_training.switch import SparseTraining, check_choices, make_ordinary

_RAMP_STAGES = 64  # times that the ramp takes blocks away
_MOST_STEPS = 2**53  # that a float counts exactly
_TOLERANCE = 0.01  # of the compression that was asked for


@dataclass(frozen=True)
class LayerSummary:
    """What became of one convolution.

    Attributes:
        name: of the module.
        shape: of its weight.
        weights: number of weights.
        kept: number of weights that the masks keep.
        kernels: number of kernels.
        kept_kernels: number of kernels of which something is kept.
        reason: why it was not pruned, None if it was.
    """

    name: str
    shape: tuple[int, ...]
    weights: int
    kept: int
    kernels: int
    kept_kernels: int
    reason: str | None

    @property
    def density(self) -> float:
        """Kept weights / weights."""
        return self.kept / self.weights


class ClickTrain:
    """Choose patterns and connectivity, ease out what goes, cut it, and keep it cut.

    The schedule and the choices are those of the recipe. All decisions follow from weights and gradients alone. In
    distributed training every process makes a `ClickTrain` and calls the same methods, and takes over what the first
    one decides: all have the same masks.

    Example:
        pruner = ClickTrain(model, recipe, total_steps=len(loader) * epochs)
        loss = criterion(model(x), y) + pruner.penalty()
        loss.backward(); optimizer.step(); pruner.step()
        pruner.finish()

    Args:
        module: the network; its weights are changed in place, its shapes never. Move it to its device first.
        recipe: what to do.
        total_steps: optimizer steps of the whole run; 0 prunes at once.

    Raises:
        UnsupportedModel: nothing can be pruned, or the asked compression cannot be reached.
        RecipeError: the recipe names a layer that does not exist, gives a block to one that is not pruned, or needs
            more steps than there are.
    """

    def __init__(self, module: nn.Module, recipe: Recipe, total_steps: int) -> None:
        for part in module.modules():  # what an earlier ClickTrain, not finished, has left
            make_ordinary(part)
        self.recipe = recipe
        self.plan: Plan | None = None
        self._convolutions = {n: m for n, m in module.named_modules() if isinstance(m, nn.modules.conv._ConvNd)}
        self._reasons = prunable(module, recipe.include, recipe.exclude)
        self._done = 0
        self._trains = total_steps > 0  # else one process may prune by itself
        self._choose_step = round(recipe.choose_at * total_steps)
        self._cut_step = round(recipe.cut_at * total_steps)
        self._masks: list[Tensor] = []  # 1 where a weight stays, one per entry of `_weights`
        self._weights: dict[str, nn.Parameter] = {}
        self._sparse: SparseTraining | None = None  # from the cut on
        if recipe.compression == 1:
            return
        self._weights = {
            name: module.get_parameter(f"{name}.weight") for name, why in self._reasons.items() if why is None
        }
        if not self._weights:
            reasons = "; ".join(f"{name}: {why}" for name, why in list(self._reasons.items())[:3])
            raise UnsupportedModel(f"the network has no convolution that may be pruned ({reasons or 'it has none'})")
        check_blocks(recipe.blocks, self._reasons)
        self._total = sum(weight.numel() for weight in self._weights.values())
        self._scores = {name: torch.zeros_like(w, requires_grad=False) for name, w in self._weights.items()}
        if recipe.importance == "taylor":
            self._choose_step += recipe.importance_batches
            self._cut_step = max(self._cut_step, self._choose_step)
            if self._choose_step > total_steps:
                raise RecipeError(
                    f'importance "taylor" needs {self._choose_step} training steps, the run has {total_steps}: '
                    "train longer, or use magnitude"
                )
        self._groups = {name: self._convolutions[name].groups for name in self._weights}
        self._stride = max(1, (self._cut_step - self._choose_step) // _RAMP_STAGES)
        if self._choose_step == 0:
            self._choose()
            self._switch()
        else:
            self._foresee()

    @property
    def cut(self) -> bool:
        """Whether all that goes has been cut, so that only fine-tuning is left."""
        return not self._weights or (self.plan is not None and self._done >= self._cut_step)

    @property
    def compression(self) -> float:
        """Weights / weights that the masks keep, over the prunable convolutions, now."""
        if not self._masks:
            return 1.0
        return self._total / sum(int(mask.sum()) for mask in self._masks)

    def penalty(self) -> Tensor:
        """The recipe's group lasso on what will be cut: a scalar to add to the loss, 0 when there is none."""
        device = next(iter(self._convolutions.values())).weight.device
        if self.recipe.lasso == 0 or self.plan is None or self.cut:
            return torch.zeros((), device=device)
        terms = [
            lasso(weight, pattern, mask.amax((2, 3)))
            for weight, pattern, mask in zip(self._weights.values(), self._whole, self._masks, strict=True)
        ]
        return self.recipe.lasso * torch.stack(terms).sum()

    def step(self) -> None:
        """Do what is due after an optimizer step, before gradients are cleared; once, of however many batches.

        Raises:
            CctError: "taylor" found no gradients.
        """
        if not self._weights:
            return
        self._done += 1
        if self.plan is None:
            self._observe()
        elif self.recipe.easing == "ramp":
            self._apply()
            due = (self._done - self._choose_step) % self._stride == 0 or self._done == self._cut_step
            if self._done <= self._cut_step and due:
                self._thin_out()
        elif self.cut:
            self._apply()
        self._switch()

    def finish(self) -> None:
        """Cut what is still to go; every pruned weight is exactly 0 afterwards, and every convolution an ordinary one.

        Raises:
            CctError: training ended before "taylor" had seen its gradients.
        """
        if not self._weights:
            return
        if self.plan is None:
            if self.recipe.importance == "taylor":
                raise CctError("finish() came before the patterns were chosen: call step() after each optimizer step")
            self._done = self._choose_step
            self._choose()
        if not self.cut:
            self._done = self._cut_step
            if self.recipe.easing == "ramp":
                self._thin_out()
        self._apply()
        self._sparse = self._sparse or SparseTraining({}, {}, "off")
        self._sparse.restore()

    def state_dict(self) -> dict[str, Any]:
        """All that a later `ClickTrain` needs to go on from here: tensors on the CPU, numbers, text, lists and dicts.

        Save it with the weights, the optimizer and the random generators; `weights_only=True` is enough to load it.
        """
        state: dict[str, Any] = {"done": self._done, "cut_step": self._cut_step, "scores": {}, "plan": None}
        state["sparse"] = {} if self._sparse is None else self._sparse.state_dict()
        if self._weights and self.recipe.importance == "taylor":
            state["scores"] = {name: score.cpu().clone() for name, score in self._scores.items()}
        if self.plan is not None:
            state["plan"] = write_plan(self.plan, self._patterns, self._kept)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; the steps that follow are those of the run without interruption.

        Make the `ClickTrain` of the same network, recipe and total_steps first, and load the network's weights
        afterwards: making it may prune.

        Args:
            state: what `state_dict` returned. A file's is safe to give: every value is checked before use.

        Raises:
            StateError: the state is damaged, or of another network, recipe or total_steps; nothing has changed.
        """
        if not isinstance(state, Mapping) or set(state) != {"done", "cut_step", "scores", "plan", "sparse"}:
            raise StateError("the state can't be continued: it is none of ClickTrain")
        done, scores = state["done"], state["scores"]
        if type(state["cut_step"]) is not int or state["cut_step"] != self._cut_step:
            raise StateError("the state can't be continued: it is of a run with other total_steps or another recipe")
        check_choices(state["sparse"], self.recipe.sparse_training)
        chosen = bool(self._weights) and type(done) is int and done >= self._choose_step
        if type(done) is not int or not 0 <= done <= _MOST_STEPS or (state["plan"] is not None) != chosen:
            raise StateError(f"the state can't be continued: its plan and its {printable(done)} steps don't fit")
        wanted = self._scores if self._weights and self.recipe.importance == "taylor" else {}
        if not isinstance(scores, dict) or list(scores) != list(wanted):
            raise StateError("the state can't be continued: its importances are of other layers")
        for name, score in wanted.items():
            if not is_plain(scores[name], score.dtype, score.shape):
                raise StateError(f"the state can't be continued: the importance of {name} has another shape or type")
        if chosen:
            plan, patterns, self._kept = read_plan(state["plan"], self._weights, self._groups, self.recipe)
            self._decide(plan, patterns)
            self._masks = self._masks_of(plan, self._kept)
        else:
            self.plan, self._masks = None, []
        for name, score in wanted.items():
            score.copy_(scores[name])
        self._done = done
        if self._sparse is not None:  # of other masks
            self._sparse.restore()
            self._sparse = None
        self._switch()
        if self._sparse is not None:
            self._sparse.load_state_dict(state["sparse"])

    def summary(self) -> list[LayerSummary]:
        """One row per convolution, in the network's order."""
        masks = dict(zip(self._weights, self._masks, strict=False))
        rows = []
        for name, convolution in self._convolutions.items():
            weight = convolution.weight
            mask = masks.get(name, torch.ones_like(weight, requires_grad=False))
            rows.append(
                LayerSummary(
                    name=name,
                    shape=tuple(weight.shape),
                    weights=weight.numel(),
                    kept=int(mask.sum()),
                    kernels=weight.shape[0] * weight.shape[1],
                    kept_kernels=int(mask.flatten(2).any(2).sum()),
                    reason=self._reasons[name] or (None if self._weights else "compression 1"),
                )
            )
        return rows

    def _observe(self) -> None:
        """Collect importance where it needs gradients; choose when that is done."""
        first = self._choose_step - self.recipe.importance_batches
        if self.recipe.importance == "taylor" and self._done > first:
            for name, weight in self._weights.items():
                if weight.grad is None:
                    raise CctError(f"{name} has no gradient: call step() after optimizer.step(), before zero_grad()")
                self._scores[name] += taylor(weight, weight.grad)
        if self._done == self._choose_step:
            self._choose()

    def _choose(self) -> None:
        """Plan pool and blocks, and begin what the recipe's easing says."""
        scores = self._importance()
        plan = plan_masks(scores, self._groups, self.recipe)
        self._decide(plan, plan.patterns(scores))
        self._keep(scores, self._share)
        self._check(self.compression, _TOLERANCE)
        if self.recipe.easing == "ramp":
            self._thin_out()
        elif self.cut:
            self._apply()

    def _decide(self, plan: Plan, patterns: dict[str, Tensor]) -> None:
        """Take over what is decided once."""
        self.plan, self._patterns = plan, patterns
        self._share = self._total / self.recipe.compression / plan.size(patterns)
        every = {name: pattern.new_ones((1, 1, 1), dtype=torch.bool) for name, pattern in patterns.items()}
        self._whole = self._masks_of(plan, every)  # by patterns alone, for the lasso

    def _importance(self) -> dict[str, Tensor]:
        """(O, C/group, kh*kw) per layer; magnitude as of now, gradients as collected."""
        if self.recipe.importance == "magnitude":
            return {name: magnitude(weight).flatten(2) for name, weight in self._weights.items()}
        return {name: score.flatten(2) for name, score in self._scores.items()}

    def _keep(self, scores: dict[str, Tensor], share: float) -> None:
        """Let a share of the weights that the patterns keep stay, in the blocks that matter most."""
        assert self.plan is not None
        budget = round(share * self.plan.size(self._patterns))
        self._kept = self.plan.connectivity(scores, self._patterns, budget, self.recipe)
        if self._trains and distributed.is_available() and distributed.is_initialized():
            self._agree()
        self._masks = self._masks_of(self.plan, self._kept)

    def _agree(self) -> None:
        """Take over what the first process has decided: sums on a GPU may differ from run to run in the last bits."""
        assert self.plan is not None
        told = [write_plan(self.plan, self._patterns, self._kept)]
        # what is told travels through the memory of the weights' GPU; torch would take the current one
        device = next(iter(self._weights.values())).device if distributed.get_backend() == "nccl" else None
        distributed.broadcast_object_list(told, device=device)
        plan, patterns, self._kept = read_plan(told[0], self._weights, self._groups, self.recipe)
        self._decide(plan, patterns)

    def _masks_of(self, plan: Plan, kept: dict[str, Tensor]) -> list[Tensor]:
        """1 where a weight stays, in the shape and memory format of each weight."""
        masks = plan.masks(self._patterns, kept)
        return [
            torch.empty_like(weight, requires_grad=False).copy_(masks[name].view_as(weight))
            for name, weight in self._weights.items()
        ]

    def _thin_out(self) -> None:
        """Take away the blocks for which the cubic ramp has no more room (Zhu & Gupta 2018)."""
        length = self._cut_step - self._choose_step
        left = (1 - (self._done - self._choose_step) / length) ** 3 if length else 0.0
        self._keep(self._importance(), self._share + (1 - self._share) * left)
        self._apply()

    @torch.no_grad()
    def _apply(self) -> None:
        torch._foreach_mul_(list(self._weights.values()), self._masks)

    def _switch(self) -> None:
        """Let training steps compute with what is kept alone, once that is decided."""
        if self.cut and self._weights and self._sparse is None:
            masks = dict(zip(self._weights, self._masks, strict=True))
            convolutions = {name: self._convolutions[name] for name in masks}
            self._sparse = SparseTraining(convolutions, masks, self.recipe.sparse_training)

    def _foresee(self) -> None:
        """Fail now, not when patterns are chosen: how much blocks can keep hardly depends on weights and grouping."""
        scores = {name: magnitude(weight).flatten(2) for name, weight in self._weights.items()}
        plan = plan_masks(scores, self._groups, replace(self.recipe, grouping="none"))
        patterns = plan.patterns(scores)
        kept = plan.connectivity(scores, patterns, round(self._total / self.recipe.compression), self.recipe)
        left = sum(int(mask.sum()) for mask in plan.masks(patterns, kept).values())
        self._check(self._total / left, 2 * _TOLERANCE)

    def _check(self, compression: float, tolerance: float) -> None:
        """Make sure that blocks are fine enough for the asked compression."""
        asked = self.recipe.compression
        if abs(compression / asked - 1) <= tolerance:
            return
        blocks = format_blocks(*map(self.recipe.block_of, self._weights))
        raise UnsupportedModel(
            f"compression {asked:g} cannot be reached with blocks of {blocks}, which come to "
            f"{compression:.3g}: ask for that, or take smaller blocks"
        )
