"""`compress`: the only list of the steps from a checkpoint to a checked ONNX file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from cct import processes
from cct.baseline import baseline_accuracy, check_gradients, check_teacher, check_training
from cct.block_choice import BlockChoice
from cct.checkpoint import load_model, save_checkpoint
from cct.choice import Choice
from cct.choice_file import read_choice, write_choice
from cct.choose_blocks import choose_blocks
from cct.choose_layers import choose_layers
from cct.clicktrain import ClickTrain
from cct.data import load_data
from cct.device import find_device
from cct.errors import RecipeError
from cct.exporter import check_weights, export
from cct.figures import finite_failure, measures
from cct.file_metadata import file_metadata
from cct.goals import Goal, failures
from cct.machine import machine
from cct.measure.accuracy import accuracy
from cct.measure.images import batches_at, image_at, parity_count, spread_images
from cct.measure.parity import check_parity, parity
from cct.measure.proof import proof
from cct.measure.speed import TIMED_IMAGES, measure_speed
from cct.output import check_output, check_target, place, temporary_folder, write
from cct.recipe import Recipe
from cct.regular_file import file_digest
from cct.report import Report
from cct.run_identity import network_identity, run_identity
from cct.runtime import PROVIDERS, session
from cct.source import ModelSource
from cct.train import fine_tune, print_line, total_steps
from cct.training_state import StateFile
from cct.trials import check_measured
from cct.working_folder import BLOCKS, CHOICE, STATE, working_folder

_Choice = TypeVar("_Choice", BlockChoice, Choice)


@dataclass(frozen=True)
class Outputs:
    """The three files of a run: MODEL.onnx, and beside it MODEL.pt and MODEL.report.json."""

    onnx: Path
    checkpoint: Path
    report: Path

    @classmethod
    def beside(cls, path: Path) -> Outputs:
        """Name the files after the ONNX file."""
        return cls(path, path.with_suffix(".pt"), path.with_suffix(".report.json"))


def compress(
    model: ModelSource,
    output: Path,
    *,
    data: str,
    recipe: Recipe,
    save_recipe: Path | None = None,
    dry_run: bool = False,
    device: str = "cpu",
    resume: bool = False,
    block_auto: bool = False,
    keep_faster: bool = False,
    teacher: ModelSource | None = None,
) -> Report:
    """Prune the model by patterns while it is fine-tuned, export it, check and measure the file, write all of it.

    Of several processes all train; the main one does the rest while the others wait, and all return its report.

    Args:
        model: what to compress.
        output: the ONNX file; `Outputs` names those beside it.
        data: as `cct.data.load_data` takes it.
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
        CctError: the input can't be used; nothing is written. A goal that is not reached is no error: see
            `Report.failed`.
    """
    if block_auto:
        check_measured("--block auto", recipe)
    if keep_faster:
        check_measured("--keep-faster", recipe)
    if teacher is not None and recipe.distillation == 0:
        raise RecipeError("--teacher has no say while distillation is 0: give --distillation 0.9, or leave it out")
    trained_on = find_device(device)
    outputs = None if dry_run else Outputs.beside(output)
    with ExitStack() as stack:
        stack.enter_context(processes.together(trained_on))
        read = [source.path for source in (model, teacher) if source]
        folder = processes.from_main(lambda: stack.enter_context(_folder(read, output, outputs, save_recipe, resume)))
        if outputs and resume and not (folder / STATE).exists():
            print_line(f"there is no interrupted run of {output}: starting from the beginning")
        loaded = load_model(model)
        check_weights(loaded.module)
        mean, std, size = recipe.mean or loaded.mean, recipe.std or loaded.std, _pair(recipe.size) or loaded.size
        images = load_data(data, mean=mean, std=std, size=size, channels=loaded.channels)
        followed = _followed(recipe, dry_run)
        network = network_identity(model, loaded.arch, loaded.sha256)
        taught_by = load_model(teacher) if teacher else None
        if taught_by is not None:
            network["teacher"] = f"{taught_by.sha256} {taught_by.arch}"
        run = run_identity(network, followed, images, trained_on, block_auto, keep_faster)
        steps = total_steps(images, followed)
        interrupted = (folder / STATE).exists()
        state = processes.from_main(lambda: StateFile(folder / STATE, run))
        loaded.module.to(trained_on)
        if taught_by:
            taught_by.module.to(trained_on)
        baseline = processes.from_main(lambda: baseline_accuracy(loaded.module, images, loaded.classes))
        if teacher and taught_by:
            processes.from_main(lambda: check_teacher(teacher, taught_by, images))
        if followed.epochs:
            check_training(loaded.module, images)
            if processes.count() > 1:
                check_gradients(loaded.module, images)

        module, example, block_choice, layer_choice = loaded.module, images.example(), None, None
        if block_auto:
            block_choice = processes.from_main(
                lambda: _chosen(choose_blocks, BlockChoice, folder / BLOCKS, interrupted, (module, example, recipe))
            )
            recipe = block_choice.applied_to(recipe)
        if keep_faster:
            layer_choice = processes.from_main(
                lambda: _chosen(choose_layers, Choice, folder / CHOICE, interrupted, (module, example, recipe))
            )
            recipe = layer_choice.applied_to(recipe)
        followed = _followed(recipe, dry_run)

        learns_from = None
        if followed.distillation:
            learns_from = taught_by.module if taught_by else copy.deepcopy(loaded.module)
        pruner = ClickTrain(loaded.module, followed, steps) if recipe.compression > 1 else None
        if save_recipe and processes.is_main():
            write(save_recipe, recipe.to_toml().encode())
        history = fine_tune(loaded.module, images, followed, pruner, learns_from, state=state)
        loaded.module.cpu()
        if not processes.is_main():
            told: Report = processes.hear()
            return told

        made, dense = Outputs.beside(folder / "packed.onnx"), folder / "dense.onnx"
        metadata = file_metadata(
            loaded.sha256, images.size, mean=images.mean, std=images.std, classes=images.classes, recipe=recipe
        )
        layers = export(
            loaded.module,
            example,
            made.onnx,
            metadata=metadata,
            weights=recipe.weights,
            activations=recipe.activations,
            portable=recipe.portable,
        )
        export(loaded.module, example, dense, pack=False)
        labels = images.val.labels.numpy()
        seed = int.from_bytes(file_digest(made.onnx)[:6], "little")
        chosen = spread_images(labels, parity_count(labels, None), seed)
        few = image_at(images, chosen[:TIMED_IMAGES])
        found = accuracy(session(made.onnx), images, chosen)
        errors = parity(made.onnx, batches_at(images, chosen, seed), loaded.module, seen=found.answers)
        if not found.not_finite:  # else that is what fails
            check_parity(errors, recipe.weights, recipe.activations)
        report = Report(
            source={
                "file": model.path.name,
                "sha256": loaded.sha256,
                "arch": model.arch or loaded.arch or "",
                **({"teacher": taught_by.sha256} if taught_by else {}),
            },
            data={"name": images.name, "train": len(images.train), "val": len(images.val)},
            recipe=asdict(recipe),
            accuracy={"baseline": baseline, "compressed": found.percent},
            layers=layers,
            prunable=[row.name for row in pruner.summary() if row.reason is None] if pruner else [],
            not_finite=found.not_finite,
            parity=errors,
            parity_images=len(chosen),
            provider=PROVIDERS["cpu"],
            proven=proof(made.onnx, few),
            bytes={"dense": dense.stat().st_size, "packed": made.onnx.stat().st_size},
            speed=measure_speed({"dense": (dense, few), "packed": (made.onnx, few)}).speed,
            machine=machine(),
            seconds=round(sum(epoch.seconds for epoch in history), 1),
            dry_run=dry_run,
            outputs=[str(p) for p in _files(outputs)] if outputs else [],
            block_auto=block_choice,
            keep_faster=layer_choice,
        )
        goals = [Goal.parse(text) for text in recipe.goals]
        judged = [goal for goal in goals if followed == recipe or goal.metric != "accuracy"]
        figures = measures(report.accuracy, errors, report.bytes, report.speed)
        report.failed = [*finite_failure(found.not_finite, found.images), *failures(judged, figures)]
        report.unknown = [str(goal) for goal in goals if goal not in judged]
        if outputs:
            save_checkpoint(made.checkpoint, loaded.module, loaded.arch, loaded.arch_args, recipe, images)
            write(made.report, report.to_json().encode())
            place(dict(zip(_files(made), _files(outputs), strict=True)), aside=folder)
        return processes.tell(report)


def _followed(recipe: Recipe, dry_run: bool) -> Recipe:
    """What the run does of a recipe."""
    return replace(recipe, epochs=0, importance="magnitude") if dry_run else recipe


def _pair(size: tuple[int, ...]) -> tuple[int, int] | None:
    return (size[0], size[1]) if size else None


@contextmanager
def _folder(
    read: Sequence[Path], output: Path, outputs: Outputs | None, save_recipe: Path | None, resume: bool
) -> Iterator[Path]:
    """Where the run keeps what is not finished, once it is known that the outputs can be written."""
    if outputs:
        check_output(output, read, (outputs.checkpoint, outputs.report))
    if save_recipe:
        check_target(save_recipe, f"--save-recipe {save_recipe}", [*read, *(_files(outputs) if outputs else ())])
    with working_folder(output, resume) if outputs else temporary_folder() as folder:
        yield folder


def _chosen(
    choose: Callable[[nn.Module, Tensor, Recipe, Callable[[str], None]], _Choice],
    kind: type[_Choice],
    path: Path,
    interrupted: bool,
    on: tuple[nn.Module, Tensor, Recipe],
) -> _Choice:
    """What pays: of the interrupted run, else measured."""
    if interrupted:
        return read_choice(path, kind)
    choice = choose(*on, print_line)
    write_choice(choice, path)
    return choice


def _files(outputs: Outputs) -> tuple[Path, Path, Path]:
    return outputs.onnx, outputs.checkpoint, outputs.report
