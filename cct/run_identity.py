"""What tells one run from another: all that has a say in the bytes of its result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict

import torch

import cct
from cct.data import Data, MemoryImages, Split
from cct.recipe import Recipe
from cct.text import printable

_PIXELS_FROM = 1000  # images of a split whose pixels are looked at
_SHOWN = 40  # characters of a value


def run_identity(network: Mapping[str, str], recipe: Recipe, images: Data, device: torch.device) -> dict[str, str]:
    """Describe a run, each thing as text.

    Args:
        network: which one it is, and of which file.
        recipe: every knob.
        images: counted, and their labels and some of those pixels compared that are in memory.
        device: of the training.
    """
    on_cuda = device.type == "cuda"
    processor = torch.cuda.get_device_name(device) if on_cuda else torch.backends.cpu.get_cpu_capability()
    return {
        **network,
        "data": f"{images.name} {_digest(images)}",
        "device": f"{device.type} {processor}",
        "threads": str(torch.get_num_threads()),
        "cct": cct.__version__,
        "torch": str(torch.__version__),  # a class of its own, which a state does not take
        **{name: repr(value) for name, value in asdict(recipe).items()},
    }


def difference(now: Mapping[str, str], then: Mapping[str, str]) -> str | None:
    """The first thing in which two runs differ, as "epochs is 3, was 5"; None if they are the same."""
    for name in {**now, **then}:
        if now.get(name) != then.get(name):
            what, is_now, was = (printable(text, _SHOWN) for text in (name, now.get(name), then.get(name)))
            return f"{what} is {is_now}, was {was}"
    return None


def _digest(images: Data) -> str:
    """Of classes, scale, size, labels, and an even choice of pixels."""
    digest = hashlib.sha256(repr((images.classes, images.size, images.mean, images.std, images.augmented)).encode())
    for split in (images.train, images.val):
        digest.update(split.labels.numpy().tobytes())
        digest.update(_some_pixels(split))
    return digest.hexdigest()[:16]


def _some_pixels(split: Split) -> bytes:
    if not isinstance(split.images, MemoryImages):
        return b""
    pixels = split.images.pixels
    return bytes(pixels[:: -(-len(pixels) // _PIXELS_FROM)].contiguous().numpy().tobytes())
