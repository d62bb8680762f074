"""`BaselineModel`: the unpruned model that a file is compared with, whatever kind of file it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from cct.errors import RecipeError
from cct.measure.accuracy import accuracy
from cct.measure.model_input import ModelInput
from cct.model_source import ModelSource, is_onnx
from cct.operator.read_model import pattern_convs, read_model
from cct.operator.spec import NAME
from cct.recipe.recipe import Recipe
from cct.regular_file import file_digest
from cct.runtime.session import session

if TYPE_CHECKING:
    from cct.checkpoint.loaded_model import LoadedModel
    from cct.data.split import Data


@dataclass(frozen=True)
class BaselineModel:
    """The model to compare with: an ONNX file, opened, or else a checkpoint, loaded.

    Attributes:
        path: of the file.
        input: what it says of the images that it takes.
        session: of an ONNX file.
        packed: whether that holds a PatternConv.
        loaded: from a checkpoint.
    """

    path: Path
    input: ModelInput
    session: Any = None
    packed: bool = False
    loaded: LoadedModel | None = None

    @classmethod
    def read(cls, source: ModelSource) -> BaselineModel:
        """Open the file.

        Raises:
            CctError: it is no model that can be used.
        """
        from cct.checkpoint.load_model import load_model

        if is_onnx(source.path):
            packed = bool(pattern_convs(read_model(source.path)))
            opened = session(source.path)
            return cls(source.path, ModelInput.of_session(source.path, opened), session=opened, packed=packed)
        loaded = load_model(source)
        return cls(source.path, ModelInput.of_checkpoint(source.path, loaded), loaded=loaded)

    def accuracy(self, images: Data) -> float:
        """Percent of the validation images.

        Raises:
            DataError: it answers NaN or infinity, or is no better than chance.
        """
        from cct.training.preflight import baseline_accuracy, check_chance, check_finite

        if self.loaded is not None:
            return baseline_accuracy(self.loaded.module, images, self.loaded.classes)
        found = accuracy(self.session, images)
        check_finite(found.not_finite, images)
        check_chance(found.percent, images)
        return found.percent

    def notes(self) -> list[str]:
        """What makes it less than an unpruned model, a line each."""
        if self.packed:
            return [f"the baseline {self.path} holds {NAME}: it is packed itself"]
        if self.loaded is not None and self.loaded.recipe is not None and _prunes(self.loaded.recipe):
            return [f"the baseline {self.path} was pruned by cct compress itself"]
        return []

    def onnx(self, images: Data, folder: Path) -> Path:
        """The file to time: itself, or a dense export."""
        from cct.exporter.export import export

        if self.loaded is None:
            return self.path
        path = folder / "dense.onnx"
        export(self.loaded.module, images.example(), path, pack=False)
        return path


def same_model(baseline: ModelSource, path: Path, pruned: ModelSource | None) -> str:
    """What the baseline is instead of an unpruned model; empty if it may be one."""
    if pruned is not None and file_digest(baseline.path) == file_digest(pruned.path):
        return "what --parity names, the pruned weights"
    if file_digest(baseline.path) == file_digest(path):
        return "the model itself"
    if is_onnx(baseline.path) and _meaning(baseline.path) == _meaning(path):
        return "the model itself, with other texts in it"
    return ""


def _meaning(path: Path) -> bytes:
    """An ONNX file without what only people read."""
    read_model(path)
    proto = onnx.load(path, load_external_data=False)
    for name in ("doc_string", "metadata_props", "producer_name", "producer_version", "domain", "model_version"):
        proto.ClearField(name)
    proto.graph.ClearField("doc_string")
    proto.graph.ClearField("name")
    for node in proto.graph.node:
        for name in ("doc_string", "name", "metadata_props"):
            node.ClearField(name)
    meaning: bytes = proto.SerializeToString(deterministic=True)
    return meaning


def _prunes(recipe: str) -> bool:
    """Whether a checkpoint's recipe has pruned it; if this version can't read it, it may have."""
    try:
        return Recipe.from_toml(recipe).compression > 1
    except RecipeError:
        return True
