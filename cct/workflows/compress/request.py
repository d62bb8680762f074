"""`Request`: what `cct compress` is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cct.errors import RecipeError
from cct.model_source import ModelSource
from cct.recipe.recipe import Recipe
from cct.tuning.trial import check_measured
from cct.workflows.compress.outputs import Outputs


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        model: what to compress.
        output: the ONNX file; `Outputs` names those beside it.
        data: as `load_data` takes it.
        recipe: every knob; mean, std and size that it leaves open are the checkpoint's.
        save_recipe: where to write the recipe, as soon as the inputs have proved good.
        dry_run: prune at once instead of training, judge all goals that training has no say in, write nothing but the
            recipe.
        device: where to train: cpu, cuda, cuda:N or mps.
        resume: continue the run of the same output that was interrupted; from the beginning if there is none.
        block_auto: give each layer the finest block that costs it no time, and say so in the recipe.
        keep_faster: leave dense what measures no faster packed, likewise, with these blocks.
        teacher: what a recipe that distils learns from; the model itself if there is none.

    Raises:
        CctError: the parts contradict each other.
    """

    model: ModelSource
    output: Path
    data: str
    recipe: Recipe
    save_recipe: Path | None = None
    dry_run: bool = False
    device: str = "cpu"
    resume: bool = False
    block_auto: bool = False
    keep_faster: bool = False
    teacher: ModelSource | None = None

    def __post_init__(self) -> None:
        if self.block_auto:
            check_measured("--block auto", self.recipe)
        if self.keep_faster:
            check_measured("--keep-faster", self.recipe)
        if self.teacher is not None and self.recipe.distillation == 0:
            raise RecipeError("--teacher has no say while distillation is 0: give --distillation 0.9, or leave it out")

    @property
    def outputs(self) -> Outputs | None:
        """Where the files go; None in a dry run."""
        return None if self.dry_run else Outputs.beside(self.output)

    @property
    def inputs(self) -> list[Path]:
        """The files that are read."""
        return [source.path for source in (self.model, self.teacher) if source]

    def training_recipe(self, recipe: Recipe) -> Recipe:
        """What the run does of a recipe: a dry run prunes at once."""
        return replace(recipe, epochs=0, importance="magnitude") if self.dry_run else recipe
