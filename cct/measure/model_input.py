"""What a model's file says of the images that it takes, and how two models are fed that are to be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cct.errors import CctError, DataError
from cct.limits import LARGEST_SIDE
from cct.measure.run_session import image_input
from cct.messages import printable, some

if TYPE_CHECKING:
    from cct.checkpoint.loaded_model import LoadedModel
    from cct.data.split import Data


@dataclass(frozen=True)
class ModelInput:
    """What a model's file says.

    Attributes:
        name: of the file, for messages.
        mean: per channel, of pixels scaled to 0..1; None if the file does not say.
        std: likewise.
        size: (height, width) in pixels, likewise.
        channels: likewise.
        classes: by output, likewise.
    """

    name: str
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    classes: Sequence[str] | None = None

    @classmethod
    def of_session(cls, path: Path, opened: Any) -> ModelInput:
        """What an ONNX file says, by its input and its `cct.*` metadata.

        Raises:
            CctError: it takes something else than images, or its metadata is damaged.
        """
        stated = opened.get_modelmeta().custom_metadata_map
        numbers = {name: _numbers(path, name, stated.get(f"cct.{name}")) for name in ("mean", "std", "size")}
        shape = image_input(opened).shape
        channels = shape[1] if len(shape) == 4 else None
        sides = [side for side in shape[2:] if isinstance(side, int)] if len(shape) == 4 else []
        stated_size = numbers["size"]
        if stated_size is not None:
            if len(stated_size) != 2 or not all(1 <= side <= LARGEST_SIDE and side % 1 == 0 for side in stated_size):
                raise CctError(
                    f"{path}: cct.size is {printable(stated['cct.size'])}, not a height and a width in pixels"
                )
            sides = sides if len(sides) == 2 else [int(side) for side in stated_size]
        classes = stated.get("cct.classes")
        return cls(
            str(path),
            numbers["mean"],
            numbers["std"],
            (sides[0], sides[1]) if len(sides) == 2 else None,
            channels if isinstance(channels, int) else None,
            None if classes is None else classes.split("\n"),
        )

    @classmethod
    def of_checkpoint(cls, path: Path, loaded: LoadedModel) -> ModelInput:
        """What a checkpoint says."""
        return cls(str(path), loaded.mean, loaded.std, loaded.size, loaded.channels, loaded.classes)

    def load(self, data: str, given: Mapping[str, Any]) -> Data:
        """The images as this model takes them; what the file leaves open is `load_data`'s default.

        Args:
            data: as `cct.data.load_data.load_data` takes it.
            given: mean, std and size that override the file's own.

        Raises:
            DataError: the images can't be used, or have other classes than the file says.
        """
        from cct.data.load_data import load_data

        own = {"mean": self.mean, "std": self.std, "size": self.size, "channels": self.channels}
        images = load_data(data, **{**own, **given})
        if self.classes is not None and tuple(self.classes) != images.classes:
            ours, others = (some(part, 4) for part in (self.classes, images.classes))
            raise DataError(
                f"{self.name} is for the classes {ours}; {images.name} has {others}: they must agree, in order"
            )
        return images


def load_for_both(model: ModelInput, baseline: ModelInput, data: str, given: Mapping[str, Any]) -> tuple[Data, Data]:
    """The images for a model and for its baseline, each fed as its own file says.

    A model whose file says nothing of mean and std takes its baseline's. The other way round it would be the model that
    decides how its baseline does: there, the file must have the usual mean and std.

    Raises:
        DataError: the baseline's mean and std are in doubt, or as `ModelInput.load` raises it.
    """
    if model.mean is None and model.std is None:
        given_model = {"mean": baseline.mean, "std": baseline.std, **given}
        images = model.load(data, {name: value for name, value in given_model.items() if value is not None})
    else:
        images = model.load(data, given)
    size = {} if baseline.size is not None else {"size": images.size}  # they are timed on one input
    others = baseline.load(data, {**size, **given})
    if _fed(others) == _fed(images):
        return images, images
    silent = [name for name in ("mean", "std") if getattr(baseline, name) is None and name not in given]
    odd = [name for name in silent if getattr(others, name) != getattr(images, name)]
    if odd:
        raise DataError(
            f"{baseline.name} does not say its {' and '.join(odd)}, and {model.name} was made with unusual ones: "
            "give --mean and --std, which then hold for both"
        )
    return images, others


def difference(model: ModelInput, images: Data, baseline: ModelInput, others: Data) -> list[str]:
    """A line on how the two are fed, if not alike."""
    if images is others:
        return []
    fed = [f"{i.name} with {_words(data)}" for i, data in ((model, images), (baseline, others))]
    return [f"fed as each file says: {fed[0]}; {fed[1]}"]


def _numbers(path: Path, name: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split()]
    except ValueError:
        numbers = [math.nan]
    if not all(math.isfinite(number) for number in numbers):
        raise CctError(f"{path}: cct.{name} is {printable(text)}, not numbers")
    return numbers


def _fed(images: Data) -> tuple[object, ...]:
    return images.mean, images.std, images.size, images.channels


def _words(images: Data) -> str:
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (images.mean, images.std))
    return f"mean {mean}, std {std}, {images.size[0]}x{images.size[1]}"
