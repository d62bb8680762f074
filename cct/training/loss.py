"""The loss of a training step, and its gradients."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F

from cct.pruning.clicktrain import ClickTrain
from cct.recipe.recipe import Recipe


class Loss:
    """Cross entropy on the labels, mixed with the teacher's answers and with other images as the recipe says.

    Args:
        recipe: gives distillation, temperature, mixup and accumulate.
        teacher: a network in eval mode on the device of the training; only distillation asks it.
        generator: of the shares of mixup.
        accelerator: of the training.
    """

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
        for number, (part_images, part_labels) in enumerate(parts, start=1):
            last = number == len(parts)
            with nullcontext() if last else self.accelerator.no_sync(network):
                loss = self._of_part(network, part_images.to(device), part_labels.to(device), share)
                loss = loss * (len(part_images) / len(images))
                self.accelerator.backward(loss + pruner.penalty() if last and pruner is not None else loss)
            total += loss.detach()
        return total

    def _of_part(self, network: nn.Module, images: Tensor, labels: Tensor, share: float) -> Tensor:
        if share < 1:  # Zhang et al. 2018; neighbours, so that processes that share the images mix the same ones
            neighbour = (torch.arange(len(images), device=images.device) ^ 1).clamp(max=len(images) - 1)
            images = share * images + (1 - share) * images[neighbour]
            logits = network(images)
            loss = share * F.cross_entropy(logits, labels) + (1 - share) * F.cross_entropy(logits, labels[neighbour])
        else:
            logits = network(images)
            loss = F.cross_entropy(logits, labels)
        if self.teacher is None:
            return loss
        weight = self.recipe.distillation
        return (1 - weight) * loss + weight * self._distance(logits, self.teacher, images)

    def _distance(self, logits: Tensor, teacher: nn.Module, images: Tensor) -> Tensor:
        """Of the answers from the teacher's (Hinton et al. 2015)."""
        with torch.no_grad(), self.accelerator.autocast():
            teacher_logits = teacher(images).float()
        temperature = self.recipe.temperature
        log_probabilities = F.log_softmax(logits / temperature, 1)
        teacher_log_probabilities = F.log_softmax(teacher_logits / temperature, 1)
        divergence = F.kl_div(log_probabilities, teacher_log_probabilities, log_target=True, reduction="batchmean")
        return divergence * temperature**2  # the square keeps the gradients' size

    def _beta(self, alpha: float) -> float:
        """One draw of Beta(alpha, alpha)."""
        draws = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=self.generator)
        return float(draws[0] / draws.sum())
