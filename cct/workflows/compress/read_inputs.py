"""`read_inputs`: the networks and the images of a run; `measure_baseline`: whether they belong together."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cct import distributed
from cct.checkpoint.load_model import load_model
from cct.checkpoint.loaded_model import LoadedModel
from cct.data.load_data import load_data
from cct.data.split import Data
from cct.exporter.export import check_weights
from cct.training.preflight import baseline_accuracy, check_gradients, check_teacher, check_training
from cct.training.run_identity import network_identity, run_identity
from cct.workflows.compress.request import Request


@dataclass(frozen=True)
class Inputs:
    """What a run reads.

    Attributes:
        model: the network, on the device.
        teacher: another one to distil from, likewise; None if there is none.
        images: as the network takes them.
        identity: what tells this training from another one.
    """

    model: LoadedModel
    teacher: LoadedModel | None
    images: Data
    identity: dict[str, str]


def read_inputs(request: Request, device: torch.device) -> Inputs:
    """Read them, in every process.

    Raises:
        CctError: a file can't be used.
    """
    recipe, model = request.recipe, load_model(request.model)
    check_weights(model.module)
    images = load_data(
        request.data,
        mean=recipe.mean or model.mean,
        std=recipe.std or model.std,
        size=(recipe.size[0], recipe.size[1]) if recipe.size else model.size,
        channels=model.channels,
    )
    network = network_identity(request.model, model.arch, model.sha256)
    teacher = load_model(request.teacher) if request.teacher else None
    if teacher is not None:
        network["teacher"] = f"{teacher.sha256} {teacher.arch}"
    training = request.training_recipe(recipe)
    identity = run_identity(network, training, images, device, request.block_auto, request.keep_faster)
    for loaded in (model, teacher):
        if loaded is not None:
            loaded.module.to(device)
    return Inputs(model, teacher, images, identity)


def measure_baseline(request: Request, inputs: Inputs) -> float:
    """Accuracy of the unpruned network on the validation images, percent.

    Raises:
        CctError: the network does not know these images, or the teacher does not.
    """
    accuracy = baseline_accuracy(inputs.model.module, inputs.images, inputs.model.classes)
    if request.teacher and inputs.teacher:
        check_teacher(request.teacher, inputs.teacher, inputs.images)
    return accuracy


def check_trainable(request: Request, inputs: Inputs) -> None:
    """Make sure that the network can be trained here, in every process.

    Raises:
        UnsupportedModel: it can't, and why.
    """
    if request.training_recipe(request.recipe).epochs:
        check_training(inputs.model.module, inputs.images)
        if distributed.count() > 1:
            check_gradients(inputs.model.module, inputs.images)
