import torch

from cct.pruning.summary import summarize_layer


def test_counts_weights_and_kernels() -> None:
    weight, mask = torch.ones(4, 2, 3, 3), torch.zeros(4, 2, 3, 3)
    mask[0, 0, 0, :2] = mask[3, 1, 2, 2] = 1
    row = summarize_layer("a", weight, {"a": mask}, None)
    assert (row.shape, row.weights, row.kept, row.kernels, row.kept_kernels) == ((4, 2, 3, 3), 72, 3, 8, 2)
    assert row.density == 3 / 72


def test_without_a_mask_all_is_kept() -> None:
    row = summarize_layer("a", torch.zeros(4, 2, 3, 3), {}, "excluded")
    assert (row.kept, row.kept_kernels, row.reason) == (72, 8, "excluded")
