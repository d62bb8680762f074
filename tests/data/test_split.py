from dataclasses import replace

import pytest
import torch

from cct.data.load_data import load_data


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_of_batches_are_together_the_batches(parts: int) -> None:
    digits = load_data("digits")
    digits = replace(digits, augmented=True, train=replace(digits.train, margin=2))
    whole, *shares = (
        list(digits.batches("train", 100, torch.Generator().manual_seed(3), share))
        for share in ((0, 1), *((part, parts) for part in range(parts)))
    )
    assert len(whole) == 12
    for batch, *own in zip(whole, *shares, strict=True):
        assert max(len(labels) for _, labels in own) == -(-100 // parts)
        for tensor, *pieces in zip(batch, *own, strict=True):
            assert torch.equal(tensor, torch.cat(pieces))
