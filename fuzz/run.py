"""Coverage-guided fuzzing of what reads files: Atheris (libFuzzer for Python), one reader at a time.

    scripts/fuzz READER SECONDS [option of libFuzzer ...]

A reader may give an answer or raise a CctError of one line. Any other exception, 20 seconds without an answer, or
3 GB of memory end the run, and the input stays in build/fuzz/READER. Inputs that reached new code stay there too, in
`corpus`, and begin the next run.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import atheris
import torch

from cct.errors import CctError

ROOT = Path(__file__).parents[1]
READERS: dict[str, list[str]] = {  # each a module beside this one, and what it is to explore
    "recipe": [
        "cct.recipe.recipe", "cct.recipe.pruning", "cct.recipe.knob", "cct.recipe.knob_value", "cct.gate.goals",
        "tomlkit.parser", "tomlkit.source", "tomlkit.container", "tomlkit.items",
    ],
    "onnx_file": [
        "cct.operator.read_model", "cct.operator.check_expansion", "cct.operator.spec", "cct.operator.packed",
        "cct.workflows.inspect_onnx", "cct.report.inspection",
        "cct.passes.graph.describe_convolutions", "onnx_ir.serde",
    ],
    "checkpoint": [
        *(f"cct.checkpoint.{name}" for name in ("read_file", "check_pickle", "recognize", "find_weights")),
        *(f"cct.checkpoint.{name}" for name in ("build_network", "fit_weights", "own_format")),
        "torch._weights_only_unpickler", "torch.serialization", "torch._utils", "pickletools", "zipfile",
    ],
    "images": [
        *(f"cct.data.{name}" for name in ("arrays", "memory_images", "split", "wanted")),
        "numpy.lib._format_impl", "zipfile",
    ],
    "training_state": [
        "cct.training.resume_state", "cct.training.run_identity",
        *(f"cct.pruning.{name}" for name in ("clicktrain", "masks", "plan_state", "schedule")),
        "torch._weights_only_unpickler", "torch.serialization", "torch._utils",
    ],
}  # fmt: skip


def instrument(module: ModuleType) -> None:
    """Have every function and method of a module report the branches that it takes."""
    for value in list(vars(module).values()):
        members = vars(value).values() if inspect.isclass(value) else [value]
        for member in members:
            function = inspect.unwrap(
                getattr(member, "__func__", member.fget if isinstance(member, property) else member)
            )
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                atheris.instrument_func(function)


def main() -> None:
    """Fuzz one reader for some seconds."""
    name, seconds, *options = sys.argv[1:]
    reader: Any = importlib.import_module(name)
    for explored in READERS[name]:
        instrument(importlib.import_module(explored))
    folder = ROOT / "build" / "fuzz" / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(reader.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)

    def attempt(data: bytes) -> None:
        for read in reader.READ:
            try:
                read(data)
            except CctError as error:
                if "\n" in str(error):
                    raise ValueError("an error of more than one line") from error

    warnings.simplefilter("ignore")  # what matters is raised
    torch.set_num_threads(1)
    limits = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=3000", "-print_final_stats=1"]
    arguments = [sys.argv[0], *limits, f"-artifact_prefix={folder}/", *options, str(corpus)]
    mutator = getattr(reader, "mutate", None)
    atheris.Setup(arguments, attempt, **({"custom_mutator": mutator} if mutator else {}))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
