"""What tells one training from another: all that has a say in its weights."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from cct import distributed
from cct.__version__ import __version__
from cct.data.image_files import FileImages
from cct.data.memory_images import MemoryImages
from cct.data.split import Data, Split
from cct.errors import DataError
from cct.messages import printable
from cct.model_source import ModelSource
from cct.recipe.export import Export
from cct.recipe.images import Images
from cct.recipe.knob import knobs
from cct.recipe.pruning import Pruning
from cct.recipe.recipe import Recipe
from cct.recipe.training import Training
from cct.runtime.library import isa

_PIXELS_FROM = 1000  # images of a split whose pixels are looked at
_SHOWN = 40  # characters of a value


def network_identity(model: ModelSource, arch: str | None, sha256: str) -> dict[str, str]:
    """Describe which network a run trains, each thing as text.

    Args:
        model: as the command line names it.
        arch: a key of `MODELS` that the file names.
        sha256: of the file.
    """
    place = Path((model.arch or "").rpartition(":")[0])
    code = hashlib.sha256(place.read_bytes()).hexdigest() if place.suffix == ".py" and place.is_file() else ""
    arguments = repr(sorted(model.arch_args.items()))
    return {
        "model": sha256,
        "arch": str(model.arch or arch),
        "arch-arg": arguments,
        "code": code,
        "key": str(model.key),
    }


def run_identity(
    network: Mapping[str, str],
    recipe: Recipe,
    images: Data,
    device: torch.device,
    block_auto: bool = False,
    keep_faster: bool = False,
) -> dict[str, str]:
    """Describe a run, each thing as text.

    Args:
        network: as `network_identity` gives it.
        recipe: every knob; those of `Export` have no say in the training.
        images: their labels are compared, and some of the pixels, or of the files where these are decoded as needed.
        device: of the training.
        block_auto: whether measured speed changes the recipe's blocks.
        keep_faster: whether it changes the recipe's layers.
    """
    on_cuda = device.type == "cuda"
    processor = torch.cuda.get_device_name(device) if on_cuda else torch.backends.cpu.get_cpu_capability()
    return {
        **network,
        "data": f"{images.name} {_digest(images)}",
        "device": f"{device.type} {processor}",
        # Whose sums have other last bits. Where none has a say, another row is no reason to refuse what was saved.
        "isa": isa() if device.type == "cpu" and recipe.sparse_training != "off" else "",
        "threads": str(torch.get_num_threads()),
        "processes": str(distributed.count()),
        "block-auto": str(block_auto),
        "keep-faster": str(keep_faster),
        "cct": __version__,
        "torch": str(torch.__version__),  # a class of its own, which a state does not take
        **{name: repr(getattr(recipe, name)) for section in (Pruning, Training, Images) for name in knobs(section)},
    }


def difference(now: Mapping[str, str], then: Mapping[str, str]) -> str | None:
    """The first thing in which two runs differ, as "epochs is 3, was 5"; None if they are the same."""
    no_say = knobs(Export)  # states of before 2026-12 have these
    for name in [name for name in {**now, **then} if name not in no_say]:
        if now.get(name) != then.get(name):
            what, is_now, was = (printable(text, _SHOWN) for text in (name, now.get(name), then.get(name)))
            return f"{what} is {is_now}, was {was}"
    return None


def _digest(images: Data) -> str:
    """Of classes, scale, size, labels, and an even choice of pixels, or of files and their names."""
    digest = hashlib.sha256(repr((images.classes, images.size, images.mean, images.std, images.augmented)).encode())
    for split in (images.train, images.val):
        digest.update(split.labels.numpy().tobytes())
        digest.update(_some_pixels(split))
    return digest.hexdigest()[:16]


def _some_pixels(split: Split) -> bytes:
    if isinstance(split.images, FileImages):
        return _some_files(split.images.paths)
    if not isinstance(split.images, MemoryImages):
        return b""
    pixels = split.images.pixels
    return bytes(pixels[:: -(-len(pixels) // _PIXELS_FROM)].contiguous().numpy().tobytes())


def _some_files(paths: Sequence[Path]) -> bytes:
    """Of the names and sizes of all files, and the bytes of an even choice."""
    digest = hashlib.sha256()
    try:
        for path in paths:
            digest.update(os.fsencode(f"{path.parent.name}/{path.name} {path.stat().st_size}\n"))
        for path in paths[:: -(-len(paths) // _PIXELS_FROM)]:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}") from error
    return digest.digest()
