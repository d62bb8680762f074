"""One network, pruned at once by several recipes, exported, and measured side by side: before any training.

Speed depends on shapes, block and density, hardly on the trained values. So this tells what training will end in.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from cct.errors import LibraryError, RecipeError
from cct.exporter.export import export
from cct.measure.interleaved import compare
from cct.operator.spec import NAME
from cct.pruning.clicktrain import ClickTrain
from cct.pruning.summary import LayerSummary
from cct.recipe.recipe import Recipe
from cct.runtime.library import supported
from cct.runtime.machine import cores

_TURNS = 15  # of whole networks


@dataclass(frozen=True)
class PrunedNetwork:
    """A network that was pruned by one recipe.

    Attributes:
        path: of its ONNX file.
        layers: what became of those convolutions that the recipe prunes, in the network's order.
        not_packed: why a convolution is dense in the file.
    """

    path: Path
    layers: Sequence[LayerSummary]
    not_packed: dict[str, str]


class Trials:
    """Where recipes are tried on one network.

    Args:
        module: the baseline; stays as it is.
        example: an input.
        folder: for the files.
        log: takes a line where something could not be measured.
    """

    def __init__(
        self, module: nn.Module, example: torch.Tensor, folder: Path, log: Callable[[str], None] = lambda line: None
    ) -> None:
        self._log = log
        self.threads = sorted({1, cores()})  # one, and as many as there are cores
        self._network, self._example, self._folder, self._count = copy.deepcopy(module).cpu(), example, folder, 0

    def dense(self) -> Path:
        """The network as it is, as an ONNX file."""
        path = self._folder / "dense.onnx"
        export(self._network, self._example, path, pack=False)
        return path

    def prune(self, recipe: Recipe) -> PrunedNetwork:
        """Prune a copy by a recipe, by magnitude, neighbouring channels in a block, and export it.

        Raises:
            UnsupportedModel: blocks are too large for the compression.
        """
        pruned, path = copy.deepcopy(self._network), self._folder / f"pruned{self._count}.onnx"
        self._count += 1
        # how channels are grouped matters to accuracy, not to speed, and takes minutes in a large network
        pruner = ClickTrain(pruned, replace(recipe, epochs=0, importance="magnitude", grouping="none"), 0)
        pruner.finish()
        rows = export(pruned, self._example, path, weights=recipe.weights, activations=recipe.activations)
        layers = [row for row in pruner.summary() if row.reason is None]
        return PrunedNetwork(path, layers, {row.name: row.reason for row in rows if row.op != NAME})

    def ratios(self, reference: Path, others: Sequence[Path]) -> list[float]:
        """How many times faster than a reference each network is, with the number of threads with which it gains least.

        All run in turns, one image, once with one thread and once with all cores; the latter counts if the machine is
        quiet enough to measure it, which is told if not.
        """
        files = {"reference": reference, **{path.name: path for path in others}}
        by_threads: list[list[float]] = []
        for threads in self.threads:
            timings = compare(files, threads=threads, rounds=_TURNS)
            if timings.doubt and by_threads:
                self._log(f"{threads} threads can't be measured ({timings.doubt}): one counts")
                continue
            found = [timings.ratios[path.name] for path in others]
            for doubt in dict.fromkeys(ratio.doubt for ratio in found if ratio.doubt):
                self._log(f"with {threads} thread{'s' * (threads > 1)}, uncertain: {doubt}")
            by_threads.append([ratio.seen for ratio in found])
        return list(map(min, zip(*by_threads, strict=True)))


def check_measured(option: str, recipe: Recipe) -> None:
    """Make sure that there is something to measure.

    Args:
        option: of the command line, which wants it measured.
        recipe: of the run.

    Raises:
        RecipeError: the recipe packs nothing, or is for another processor than this one.
        LibraryError: the platform has no library.
    """
    if recipe.portable:
        raise RecipeError(f"{option} measures packed layers, and a portable file has none: leave one of them out")
    if recipe.compression == 1:
        raise RecipeError(f"{option} measures packed layers, and compression 1 has none: leave one of them out")
    if recipe.target != "cpu":
        raise RecipeError(f"{option} measures this CPU, and the file is for {recipe.target}: leave one of them out")
    if not supported():
        raise LibraryError(f"{option} measures the operator library, and this platform has none: leave it out")
