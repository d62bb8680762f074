"""When what goes: the choice of patterns, the last cut, and what happens between the two."""

from __future__ import annotations

from abc import ABC, abstractmethod

from cct.errors import RecipeError
from cct.recipe.recipe import Recipe

_RAMP_STAGES = 64  # times that the ramp takes blocks away


class Schedule(ABC):
    """Optimizer steps at which something happens; step 0 is before the first.

    Attributes:
        choose_step: after which pool, blocks and patterns are chosen.
        cut_step: after which the last weight is cut.
    """

    def __init__(self, choose_step: int, cut_step: int) -> None:
        self.choose_step, self.cut_step = choose_step, cut_step

    @abstractmethod
    def cuts(self, step: int) -> bool:
        """Whether weights outside the masks are cut after a step, from the choice on."""

    @abstractmethod
    def chooses_connectivity(self, step: int) -> bool:
        """Whether the blocks that stay are chosen anew after a step, from the choice on."""

    @abstractmethod
    def surplus(self, step: int) -> float:
        """Share that is still there after a step of the blocks that will go, 0..1."""


class Ramp(Schedule):
    """Cut to the patterns at once, and take blocks away along a cubic (Zhu & Gupta 2018)."""

    def cuts(self, step: int) -> bool:
        """Always."""
        return True

    def chooses_connectivity(self, step: int) -> bool:
        """At equal distances, and at the end."""
        stride = max(1, (self.cut_step - self.choose_step) // _RAMP_STAGES)
        return step <= self.cut_step and ((step - self.choose_step) % stride == 0 or step == self.cut_step)

    def surplus(self, step: int) -> float:
        """Falls fast at first, and slowly in the end."""
        length = self.cut_step - self.choose_step
        return (1 - (step - self.choose_step) / length) ** 3 if length else 0.0


class Lasso(Schedule):
    """Leave all weights, with a group lasso on those that will go, and cut them at once."""

    def cuts(self, step: int) -> bool:
        """At the end."""
        return step >= self.cut_step

    def chooses_connectivity(self, step: int) -> bool:
        """Once, with the patterns."""
        return False

    def surplus(self, step: int) -> float:
        """None: what will go is known from the choice on."""
        return 0.0


EASINGS: dict[str, type[Schedule]] = {"ramp": Ramp, "lasso": Lasso}


def make_schedule(recipe: Recipe, total_steps: int, observed_steps: int) -> Schedule:
    """The schedule of a run.

    Args:
        recipe: gives `choose_at`, `cut_at` and `easing`.
        total_steps: of the whole run.
        observed_steps: those that the importance needs before the choice.

    Raises:
        RecipeError: the importance needs more steps than there are.
    """
    choose_step = round(recipe.choose_at * total_steps) + observed_steps
    if choose_step > total_steps:
        raise RecipeError(
            f'importance "{recipe.importance}" needs {choose_step} training steps, the run has {total_steps}: '
            "train longer, or use magnitude"
        )
    return EASINGS[recipe.easing](choose_step, max(round(recipe.cut_at * total_steps), choose_step))
