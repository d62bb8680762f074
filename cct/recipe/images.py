"""`Images`: what a network is shown."""

from __future__ import annotations

from dataclasses import dataclass

from cct.limits import LARGEST_SIDE
from cct.recipe.knob import POSITIVE, Range, Section, knob

_SIZE = Range(1, LARGEST_SIDE, f"height and width from 1 to {LARGEST_SIDE} pixels")


@dataclass(frozen=True, kw_only=True)
class Images(Section):
    """Scale and size of the images; what is empty is as the model's file says, else as `cct.data.load_data` does."""

    mean: tuple[float, ...] = knob(
        (), None, "Mean of each channel, of pixels scaled to 0..1: 0.485,0.456,0.406.", "--mean", items=float
    )
    std: tuple[float, ...] = knob(
        (),
        POSITIVE,
        "Standard deviation, likewise; the model's file is asked first, then ImageNet's are taken.",
        "--std",
        items=float,
    )
    size: tuple[int, ...] = knob((), _SIZE, "Height and width of the images in pixels.", "--size", items=int, length=2)
