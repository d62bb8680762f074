import pytest
import torch
from torch import nn

from cct.data.load_data import load_data
from cct.recipe.recipe import Recipe
from cct.training.batchnorm import reestimate_batchnorm

pytestmark = pytest.mark.usefixtures("one_thread")


def test_statistics_are_the_plain_average_over_training_batches() -> None:
    data, recipe = load_data("digits"), Recipe(batch_size=100, seed=5)
    norm = nn.BatchNorm2d(1, momentum=0.3)
    norm.running_mean = torch.tensor([17.0])
    reestimate_batchnorm(nn.Sequential(norm), data, recipe)
    batches = [images for images, _ in data.batches("train", 100, torch.Generator().manual_seed(5))]
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean[0], torch.stack([images.mean() for images in batches]).mean())
    torch.testing.assert_close(norm.running_var[0], torch.stack([images.var() for images in batches]).mean())
    assert norm.momentum == 0.3
    assert not norm.training


def test_a_network_without_statistics_is_left_alone() -> None:
    module = nn.Sequential(nn.BatchNorm2d(1, track_running_stats=False)).train()
    reestimate_batchnorm(module, load_data("digits"), Recipe())
    assert module.training
