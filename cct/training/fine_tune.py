"""The training loop: SGD with a cosine, optional distillation from the baseline, on any device accelerate knows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import click
import torch
from accelerate import Accelerator
from accelerate.utils import GradientAccumulationPlugin
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional as F

from cct import distributed
from cct.data.split import Data
from cct.errors import CctError, RecipeError
from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe
from cct.training.resume_state import Epoch, StateFile, Training

_EVALUATION_BATCH = 250
_SETTLING_BATCHES = 50
_SHORT_RUN = 200  # steps; in fewer, running averages of batch statistics lag behind the weights


def print_line(text: str) -> None:
    """Write one line of progress to stderr; of several processes, the main one does."""
    if distributed.is_main():
        click.echo(text, err=True)  # where stderr is closed, print would take stdout


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
        settle_batchnorm(module, data, recipe)
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
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),  # ours is `_backward`
    )
    place, several = accelerator.process_index, accelerator.num_processes
    generator = torch.Generator().manual_seed(recipe.seed)
    module.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        module.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )
    batches = data.batches("train", recipe.batch_size, generator, (place, several))
    # Around the network, for accelerate changes the forward() of what it is given.
    network, optimizer = accelerator.prepare(nn.Sequential(module), optimizer)
    loss_of = _Loss(recipe, teacher, generator, accelerator)
    steps = len(batches) * recipe.epochs
    history: list[Epoch] = []
    training = Training(module, optimizer, generator, pruner, history)
    if state is not None:
        state.load(training)
        if history:
            log(f"continuing after epoch {len(history)}/{recipe.epochs}")
    network.train()
    done = len(batches) * len(history)
    with _bar(steps, done) as advance:
        for epoch in range(len(history), recipe.epochs):
            if several > 1:  # dropout and the like: drawn by each process for itself, again when a run is continued
                torch.manual_seed(recipe.seed + 1 + epoch * several + place)
            start, total = time.perf_counter(), torch.zeros((), device=accelerator.device)
            for images, labels in batches:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(recipe, done, steps)
                mix = recipe.mixup > 0 and (pruner is None or pruner.cut)
                total += loss_of.backward(network, images, labels, mix, pruner)
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


class _Loss:
    """Cross entropy on the labels, mixed with the teacher's answers and with other images as the recipe says."""

    def __init__(
        self, recipe: Recipe, teacher: nn.Module | None, generator: torch.Generator, accelerator: Accelerator
    ) -> None:
        self.recipe, self.generator, self.accelerator = recipe, generator, accelerator
        self.teacher = None if recipe.distillation == 0 else teacher

    def backward(
        self, network: nn.Module, images: Tensor, labels: Tensor, mix: bool, pruner: ClickTrain | None
    ) -> Tensor:
        """Add the gradients of a step's images and of the penalty, in parts; gives the loss without the penalty."""
        device = self.accelerator.device
        total = torch.zeros((), device=device)
        share = self._beta(self.recipe.mixup) if mix else 1.0
        parts = list(zip(images.chunk(self.recipe.accumulate), labels.chunk(self.recipe.accumulate), strict=True))
        for number, (some, wanted) in enumerate(parts, start=1):
            last = number == len(parts)
            with nullcontext() if last else self.accelerator.no_sync(network):
                loss = self._of(network, some.to(device), wanted.to(device), share) * (len(some) / len(images))
                self.accelerator.backward(loss + pruner.penalty() if last and pruner is not None else loss)
            total += loss.detach()
        return total

    def _of(self, network: nn.Module, images: Tensor, labels: Tensor, share: float) -> Tensor:
        if share < 1:  # Zhang et al. 2018; neighbours, so that processes that share the images mix the same ones
            other = (torch.arange(len(images), device=images.device) ^ 1).clamp(max=len(images) - 1)
            images = share * images + (1 - share) * images[other]
            logits = network(images)
            loss = share * F.cross_entropy(logits, labels) + (1 - share) * F.cross_entropy(logits, labels[other])
        else:
            logits = network(images)
            loss = F.cross_entropy(logits, labels)
        if self.teacher is None:
            return loss
        with torch.no_grad(), self.accelerator.autocast():
            wanted = self.teacher(images).float()
        # Hinton et al. 2015; the square of the temperature keeps the gradients' size
        heat, weight = self.recipe.temperature, self.recipe.distillation
        told = F.log_softmax(logits / heat, 1), F.log_softmax(wanted / heat, 1)
        distance = F.kl_div(*told, log_target=True, reduction="batchmean") * heat**2
        return (1 - weight) * loss + weight * distance

    def _beta(self, alpha: float) -> float:
        """One draw of Beta(alpha, alpha)."""
        draws = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=self.generator)
        return float(draws[0] / draws.sum())


def settle_batchnorm(module: nn.Module, data: Data, recipe: Recipe) -> None:
    """Measure the means and variances of batch normalization anew, as a plain average over training batches."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    device = next(module.parameters()).device
    module.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.no_grad():
        for count, (images, _) in enumerate(data.batches("train", recipe.batch_size, generator)):
            if count == _SETTLING_BATCHES:
                break
            module(images.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    module.eval()


@torch.no_grad()
def predict(module: nn.Module, data: Data, split: str = "val") -> Tensor:
    """Logits for every image of a split, in order: (N, classes) float32 on the CPU."""
    device = next(module.parameters()).device
    module.eval()
    return torch.cat([module(images.to(device)).float().cpu() for images, _ in data.batches(split, _EVALUATION_BATCH)])


def evaluate(module: nn.Module, data: Data) -> float:
    """Share of the `val` images whose class is found, in percent; an answer that is not finite finds none."""
    logits = predict(module, data)
    right = (logits.argmax(1) == data.val.labels) & logits.isfinite().all(1)
    return 100 * right.double().mean().item()


@contextmanager
def _bar(steps: int, done: int) -> Iterator[Callable[[], object]]:
    """A progress bar on a terminal; elsewhere the lines of the epochs are enough."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    columns = TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=steps, completed=done)
        yield lambda: progress.advance(task)
