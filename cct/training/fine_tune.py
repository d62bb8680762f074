"""The training loop: SGD with a cosine, optional distillation from the baseline, on any device accelerate knows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from torch import nn

from cct import distributed
from cct.data.split import Data
from cct.errors import CctError, RecipeError
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.training.batchnorm import reestimate_batchnorm
from cct.training.loss import Loss
from cct.training.progress import print_line, progress_bar
from cct.training.resume_state import Epoch, StateFile, TrainingState

_SHORT_RUN = 200  # steps; in fewer, running averages of batch statistics lag behind the weights


def total_steps(data: Data, recipe: Recipe) -> int:
    """Optimizer steps of the whole run, for `ClickTrain`.

    Raises:
        RecipeError: the images of a step can't be shared evenly by the processes, or mixup can't pair those of a part.
    """
    batches = data.batches("train", recipe.batch_size, torch.Generator())
    # Not from accelerate, whose state would be made here and keep a device that the network is not on.
    share, rest = divmod(batches.batch_size or 0, distributed.count())
    if rest:
        raise RecipeError(
            f"{batches.batch_size} images a step can't be shared evenly by {distributed.count()} processes: "
            "give a --batch-size that can"
        )
    part = math.ceil(share / recipe.accumulate)
    if recipe.mixup > 0 and part < (batches.batch_size or 0) and part % 2:
        raise RecipeError(
            f"mixup pairs images, and {part} at a time is an odd number: give a --batch-size whose parts are even"
        )
    return len(batches) * recipe.epochs


def fine_tune(
    module: nn.Module,
    data: Data,
    recipe: Recipe,
    pruner: ClickTrain | None = None,
    teacher: nn.Module | None = None,
    log: Callable[[str], None] = print_line,
    state: StateFile | None = None,
) -> list[Epoch]:
    """Train in place, on the device that the module is on, and leave the module pruned and in eval mode.

    The same seed gives the same weights, bit for bit, on the CPU of the same machine with the same number of threads
    and processes, be the run continued from `state` or not. Several processes share the images of each step; without
    batch normalization and dropout they come to the weights of one process, up to rounding. After a run of less than
    200 steps the statistics of batch normalization are measured anew; with 0 epochs that is all.

    Args:
        module: the network; already in the hands of `pruner`.
        data: images and labels.
        recipe: epochs, learning rate and the like.
        pruner: prunes while training; None trains the dense network.
        teacher: the baseline or another network, in eval mode, for distillation.
        log: takes one line per epoch.
        state: where the training is saved after each epoch, and continued from if it holds one; None saves nothing.

    Returns:
        All epochs, those before `state` was saved too.

    Raises:
        CctError: training diverged, or the state can't be written.
        StateError: the state does not fit the network.
        RecipeError: the recipe distils and there is no teacher.
    """
    if recipe.distillation > 0 and teacher is None:
        raise RecipeError("distillation is above 0: it needs the baseline as teacher")
    torch.manual_seed(recipe.seed)
    history = _train(module, data, recipe, pruner, teacher, log, state) if recipe.epochs else []
    if pruner is not None:
        pruner.finish()
    if total_steps(data, recipe) < _SHORT_RUN:
        reestimate_batchnorm(module, data, recipe)
    module.eval()
    return history


def _train(
    module: nn.Module,
    data: Data,
    recipe: Recipe,
    pruner: ClickTrain | None,
    teacher: nn.Module | None,
    log: Callable[[str], None],
    state: StateFile | None,
) -> list[Epoch]:
    accelerator = Accelerator(
        cpu=next(module.parameters()).device.type == "cpu",
        mixed_precision=recipe.mixed_precision,
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # ours is `Loss.backward`
    )
    rank, processes = accelerator.process_index, accelerator.num_processes
    generator = torch.Generator().manual_seed(recipe.seed)
    module.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        module.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )
    batches = data.batches("train", recipe.batch_size, generator, (rank, processes))
    # Around the network, for accelerate changes the forward() of what it is given.
    network, optimizer = accelerator.prepare(nn.Sequential(module), optimizer)
    loss = Loss(recipe, teacher, generator, accelerator)
    steps = len(batches) * recipe.epochs
    history: list[Epoch] = []
    training = TrainingState(module, optimizer, generator, pruner, history)
    if state is not None:
        state.load(training)
        if history:
            log(f"continuing after epoch {len(history)}/{recipe.epochs}")
    network.train()
    done = len(batches) * len(history)
    with progress_bar(steps, done) as advance:
        for epoch in range(len(history), recipe.epochs):
            if processes > 1:  # dropout and the like: drawn by each process for itself, again when a run is continued
                torch.manual_seed(recipe.seed + 1 + epoch * processes + rank)
            start, total = time.perf_counter(), torch.zeros((), device=accelerator.device)
            for images, labels in batches:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(recipe, done, steps)
                mix = recipe.mixup > 0 and (pruner is None or pruner.cut)
                total += loss.backward(network, images, labels, mix, pruner)
                optimizer.step()
                if pruner is not None:
                    pruner.step()
                optimizer.zero_grad()
                done += 1
                advance()
            mean = accelerator.reduce(total, "mean").item() / len(batches)
            if not math.isfinite(mean):
                if state is not None:
                    state.remove()
                raise CctError(f"training diverged in epoch {epoch + 1} (loss {mean}): lower the learning rate")
            history.append(Epoch(mean, time.perf_counter() - start))
            log(f"epoch {epoch + 1}/{recipe.epochs}: loss {mean:.3f}, {history[-1].seconds:.0f} s")
            if state is not None and accelerator.is_main_process:
                state.save(training)
    module.to(memory_format=torch.contiguous_format)
    return history


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The rate of one step: a linear rise over the warmup, times a cosine from the peak to 0."""
    warmup = recipe.warmup * steps
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return recipe.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / steps))
