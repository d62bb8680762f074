"""`compress`: the only list of the steps from a checkpoint to a checked ONNX file."""

from __future__ import annotations

import copy
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cct import validate
from cct.baseline import baseline_accuracy
from cct.bench import compare, cores, machine
from cct.checkpoint import LoadedModel, load_model, save_checkpoint
from cct.clicktrain import ClickTrain
from cct.data import Data, load_data
from cct.errors import CctError, LibraryError
from cct.exporter import export
from cct.output import write
from cct.recipe import Recipe
from cct.report import Report, Speed
from cct.runtime import PROVIDERS, session
from cct.source import ModelSource
from cct.train import fine_tune, total_steps

MAX_ERROR = 1e-4  # max|a - b| / max|b|; a hundred times what float32 makes of a deep network


@dataclass(frozen=True)
class Outputs:
    """The three files of a run: MODEL.onnx, and beside it MODEL.pt and MODEL.report.json."""

    onnx: Path
    checkpoint: Path
    report: Path

    @classmethod
    def beside(cls, path: Path) -> Outputs:
        """Name the files after the ONNX file.

        Raises:
            CctError: the folder is missing or not writable, or the name has no .onnx.
        """
        if path.suffix != ".onnx":
            raise CctError(f"--output {path}: give a name that ends in .onnx")
        made = cls(path, path.with_suffix(".pt"), path.with_suffix(".report.json"))
        for file in (made.onnx, made.checkpoint, made.report):
            if file.is_dir():
                raise CctError(f"--output {path}: {file} is a folder; give another name")
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise CctError(f"--output {path}: {path.parent} is no folder that can be written to")
        return made


def compress(
    model: ModelSource,
    output: Path,
    *,
    data: str,
    recipe: Recipe,
    max_drop: float | None = None,
) -> Report:
    """Prune the model by patterns while it is fine-tuned, export it, check and measure the file, write all of it.

    Raises:
        CctError: the input can't be used; nothing is written. A failed `max_drop` is no error: see `Report.failed`.
    """
    outputs = Outputs.beside(output)
    loaded = load_model(model)
    if outputs.checkpoint.exists() and outputs.checkpoint.samefile(model.path):
        raise CctError(f"--output {output}: {outputs.checkpoint} would replace the model; give another name")
    images = load_data(data, mean=loaded.mean, std=loaded.std, size=loaded.size)
    baseline = baseline_accuracy(loaded.module, images, loaded.classes)

    teacher = copy.deepcopy(loaded.module) if recipe.distillation else None
    pruner = ClickTrain(loaded.module, recipe, total_steps(images, recipe)) if recipe.compression > 1 else None
    start = time.monotonic()
    fine_tune(loaded.module, images, recipe, pruner, teacher)
    seconds = time.monotonic() - start

    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".cct-") as folder:
        made = Outputs.beside(Path(folder) / output.name)
        dense = Path(folder) / "dense.onnx"
        example = images.example()
        layers = export(loaded.module, example, made.onnx, metadata=_metadata(loaded, images, recipe))
        export(loaded.module, example, dense, pack=False)
        few = next(iter(images.batches("val", validate.PARITY_IMAGES)))[0].numpy()
        parity = validate.parity(made.onnx, few, loaded.module)
        if not all(error <= MAX_ERROR for error in parity.values()):
            raise LibraryError(f"the exported model answers wrongly: {parity} (limit {MAX_ERROR:g}); please report it")
        accuracy = {"baseline": baseline, "compressed": validate.accuracy(session(made.onnx), images)}
        report = Report(
            source={"file": model.path.name, "sha256": loaded.sha256, "arch": model.arch or loaded.arch or ""},
            data={"name": images.name, "train": len(images.train), "val": len(images.val)},
            recipe=asdict(recipe),
            accuracy=accuracy,
            layers=layers,
            prunable=[row.name for row in pruner.summary() if row.reason is None] if pruner else [],
            parity=parity,
            provider=PROVIDERS["cpu"],
            proven=validate.proof(made.onnx, few),
            bytes={"dense": dense.stat().st_size, "packed": made.onnx.stat().st_size},
            speed=measure(dense, made.onnx),
            machine=machine(),
            seconds=round(seconds, 1),
            outputs=[str(p) for p in (outputs.onnx, outputs.checkpoint, outputs.report)],
        )
        report.failed = validate.failures(report.drop, [], max_drop, None)
        save_checkpoint(made.checkpoint, loaded.module, loaded.arch, loaded.arch_args, recipe, images)
        write(made.report, report.to_json().encode())
        try:
            for source, target in zip(_files(made), _files(outputs), strict=True):
                os.replace(source, target)
        except OSError as error:
            raise CctError(f"{error.filename2} can't be written ({error.strerror}): give another --output") from error
    return report


def measure(dense: Path, packed: Path, rounds: int = 20) -> list[Speed]:
    """Dense against packed, with one thread and with as many as there are cores."""
    speed = []
    for threads in sorted({1, cores()}):
        times = compare({"dense": dense, "packed": packed}, threads=threads, rounds=rounds)
        ours = times["packed"]
        speed.append(Speed(threads, times["dense"].median, ours.median, ours.low, ours.high, ours.runs))
    return speed


def _files(outputs: Outputs) -> tuple[Path, Path, Path]:
    return outputs.onnx, outputs.checkpoint, outputs.report


def _metadata(loaded: LoadedModel, images: Data, recipe: Recipe) -> dict[str, str]:
    """What the ONNX file says of itself, beside its version."""
    return {
        "source_sha256": loaded.sha256,
        "recipe": recipe.to_toml(),
        "seed": str(recipe.seed),
        "compression": f"{recipe.compression:g}",
        "input": "normalized NCHW",
        "mean": " ".join(f"{v:g}" for v in images.mean),
        "std": " ".join(f"{v:g}" for v in images.std),
        "size": " ".join(map(str, images.size)),
        "classes": "\n".join(images.classes),
    }
