"""ClickTrain (ICS'21, doi 10.1145/3447818.3459988): prune by patterns while training, in anybody's loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cct.errors import CctError, StateError, UnsupportedModel
from cct.messages import printable
from cct.passes.module.check_blocks import check_blocks
from cct.passes.module.importance import IMPORTANCES
from cct.passes.module.plan_masks import Plan
from cct.passes.module.prunable import prunable
from cct.pruning.masks import Masks
from cct.pruning.plan_state import is_plain
from cct.pruning.schedule import make_schedule
from cct.pruning.summary import LayerSummary, summarize_layer
from cct.recipe.recipe import Recipe
from cct.sparse_training.switch import SparseTraining, check_choices, make_ordinary

_MOST_STEPS = 2**53  # that a float counts exactly


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
        self._convolutions = {n: m for n, m in module.named_modules() if isinstance(m, nn.modules.conv._ConvNd)}
        self._reasons = prunable(module, recipe.include, recipe.exclude)
        self._weights = self._find_weights() if recipe.compression > 1 else {}
        self._importance = IMPORTANCES[recipe.importance](self._weights, recipe)
        self._schedule = make_schedule(recipe, total_steps, self._importance.steps if self._weights else 0)
        groups = {name: self._convolutions[name].groups for name in self._weights}
        self._masks = Masks(self._weights, groups, recipe, agree=total_steps > 0)  # else one process may prune alone
        self._sparse: SparseTraining | None = None  # from the cut on
        self._done = 0
        if not self._weights:
            return
        if self._schedule.choose_step == 0:
            self._choose()
            self._switch()
        else:
            self._masks.check_reachable()

    @property
    def plan(self) -> Plan | None:
        """Pool and blocks, once they are chosen."""
        return self._masks.plan

    @property
    def cut(self) -> bool:
        """Whether all that goes has been cut, so that only fine-tuning is left."""
        return not self._weights or (self.plan is not None and self._done >= self._schedule.cut_step)

    @property
    def compression(self) -> float:
        """Weights / weights that the masks keep, over the prunable convolutions, now."""
        return self._masks.compression

    def penalty(self) -> Tensor:
        """The recipe's group lasso on what will be cut: a scalar to add to the loss, 0 when there is none."""
        if self.recipe.lasso == 0 or self.plan is None or self.cut:
            return torch.zeros((), device=next(iter(self._convolutions.values())).weight.device)
        return self.recipe.lasso * self._masks.lasso()

    def step(self) -> None:
        """Do what is due after an optimizer step, before gradients are cleared; once, of however many batches.

        Raises:
            CctError: the importance needs gradients, and there are none.
        """
        if not self._weights:
            return
        self._done += 1
        if self.plan is None:
            self._observe()
        else:
            if self._schedule.cuts(self._done):
                self._masks.cut()
            if self._schedule.chooses_connectivity(self._done):
                self._choose_connectivity()
        self._switch()

    def finish(self) -> None:
        """Cut what is still to go; every pruned weight is exactly 0 afterwards, and every convolution an ordinary one.

        Raises:
            CctError: training ended before the importance had seen its gradients.
        """
        if not self._weights:
            return
        if self.plan is None:
            if self._importance.steps:
                raise CctError("finish() came before the patterns were chosen: call step() after each optimizer step")
            self._done = self._schedule.choose_step
            self._choose()
        if not self.cut:
            self._done = self._schedule.cut_step
            if self._schedule.chooses_connectivity(self._done):
                self._choose_connectivity()
        self._masks.cut()
        self._sparse = self._sparse or SparseTraining({}, {}, "off")
        self._sparse.restore()

    def state_dict(self) -> dict[str, Any]:
        """All that a later `ClickTrain` needs to go on from here: tensors on the CPU, numbers, text, lists and dicts.

        Save it with the weights, the optimizer and the random generators; `weights_only=True` is enough to load it.
        """
        return {
            "done": self._done,
            "cut_step": self._schedule.cut_step,
            "scores": {name: tensor.cpu().clone() for name, tensor in self._importance.state.items()},
            "plan": self._masks.state(),
            "sparse": {} if self._sparse is None else self._sparse.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; the steps that follow are those of the run without interruption.

        Make the `ClickTrain` of the same network, recipe and total_steps first, and load the network's weights
        afterwards: making it may prune.

        Args:
            state: what `state_dict` returned. A file's is safe to give: every value is checked before use.

        Raises:
            StateError: the state is damaged, or of another network, recipe or total_steps; nothing has changed.
        """
        self._check_state(state)
        self._masks.load(state["plan"])  # which has the last fault that there may be
        for name, tensor in self._importance.state.items():
            tensor.copy_(state["scores"][name])
        self._done = state["done"]
        if self._sparse is not None:  # of other masks
            self._sparse.restore()
            self._sparse = None
        self._switch()
        if self._sparse is not None:
            self._sparse.load_state_dict(state["sparse"])

    def summary(self) -> list[LayerSummary]:
        """One row per convolution, in the network's order."""
        unpruned = None if self._weights else "compression 1"
        return [
            summarize_layer(name, convolution.weight, self._masks.tensors, self._reasons[name] or unpruned)
            for name, convolution in self._convolutions.items()
        ]

    def _find_weights(self) -> dict[str, nn.Parameter]:
        """Those that are pruned, by the name of the convolution.

        Raises:
            UnsupportedModel: there are none.
            RecipeError: a block is for others.
        """
        names = [name for name, reason in self._reasons.items() if reason is None]
        if not names:
            reasons = "; ".join(f"{name}: {why}" for name, why in list(self._reasons.items())[:3])
            raise UnsupportedModel(f"the network has no convolution that may be pruned ({reasons or 'it has none'})")
        check_blocks(self.recipe.blocks, self._reasons)
        return {name: self._convolutions[name].get_parameter("weight") for name in names}

    def _observe(self) -> None:
        """Collect importance where it needs gradients; choose when that is done."""
        if self._done > self._schedule.choose_step - self._importance.steps:
            self._importance.observe()
        if self._done == self._schedule.choose_step:
            self._choose()

    def _choose(self) -> None:
        """Choose what stays, and begin what the recipe's easing says."""
        self._masks.choose(self._importance.scores())
        if self._schedule.chooses_connectivity(self._done):
            self._choose_connectivity()
        elif self._schedule.cuts(self._done):
            self._masks.cut()

    def _choose_connectivity(self) -> None:
        """Take away the blocks for which the schedule has no more room."""
        self._masks.choose_connectivity(self._importance.scores(), self._schedule.surplus(self._done))
        self._masks.cut()

    def _switch(self) -> None:
        """Let training steps compute with what is kept alone, once that is decided."""
        if self.cut and self._weights and self._sparse is None:
            convolutions = {name: self._convolutions[name] for name in self._weights}
            self._sparse = SparseTraining(convolutions, self._masks.tensors, self.recipe.sparse_training)

    def _check_state(self, state: Mapping[str, Any]) -> None:
        """Refuse what `state_dict` can't have returned; the plan's own values are not looked at."""
        if not isinstance(state, Mapping) or set(state) != {"done", "cut_step", "scores", "plan", "sparse"}:
            raise StateError("the state can't be continued: it is none of ClickTrain")
        done, scores = state["done"], state["scores"]
        if type(state["cut_step"]) is not int or state["cut_step"] != self._schedule.cut_step:
            raise StateError("the state can't be continued: it is of a run with other total_steps or another recipe")
        check_choices(state["sparse"], self.recipe.sparse_training)
        chosen = bool(self._weights) and type(done) is int and done >= self._schedule.choose_step
        if type(done) is not int or not 0 <= done <= _MOST_STEPS or (state["plan"] is not None) != chosen:
            raise StateError(f"the state can't be continued: its plan and its {printable(done)} steps don't fit")
        if not isinstance(scores, dict) or list(scores) != list(self._importance.state):
            raise StateError("the state can't be continued: its importances are of other layers")
        for name, tensor in self._importance.state.items():
            if not is_plain(scores[name], tensor.dtype, tensor.shape):
                raise StateError(f"the state can't be continued: the importance of {name} has another shape or type")
