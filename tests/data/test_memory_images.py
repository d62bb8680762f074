import numpy as np
import torch
from PIL import Image

from cct.data.memory_images import MemoryImages

NOISE = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 3, 12, 20), dtype=np.uint8))
EVERY = torch.tensor([4, 0])


def test_they_come_as_they_are() -> None:
    assert torch.equal(MemoryImages(NOISE).load(EVERY), NOISE[EVERY])
    assert MemoryImages(NOISE).load(EVERY).data_ptr() != NOISE.data_ptr()


def test_colour_becomes_grey_and_grey_becomes_colour() -> None:
    grey = MemoryImages(NOISE, channels=1).load(EVERY)
    wanted = np.asarray(Image.fromarray(NOISE[4].permute(1, 2, 0).numpy()).convert("L"), np.int64)
    assert abs(grey[0, 0].numpy() - wanted).max() <= 1
    again = MemoryImages(grey, channels=3).load(torch.tensor([0]))
    assert torch.equal(again, grey[:1].expand(-1, 3, -1, -1))


def test_they_are_resized_to_cover_and_cut() -> None:
    small = MemoryImages(NOISE, size=(6, 6)).load(EVERY)
    middle = Image.fromarray(NOISE[4, :, :, 4:16].permute(1, 2, 0).numpy())
    wanted = np.asarray(middle.resize((6, 6), Image.Resampling.BILINEAR), np.int64)
    assert small.dtype == torch.uint8
    assert abs(small[0].permute(1, 2, 0).numpy() - wanted).max() <= 1
    floats = MemoryImages(NOISE.float() / 255, size=(24, 24)).load(EVERY)
    assert (floats.dtype, floats.shape) == (torch.float32, (2, 3, 24, 24))
