"""What a machine can do for a packed file, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cct.messages import printable
from cct.operator.types import TYPES
from cct.report.plain_json import as_json
from cct.report.table import aligned
from cct.runtime.cuda_build import CudaBuild, dotted
from cct.runtime.cuda_driver import Driver
from cct.runtime.library import IsaRow
from cct.runtime.routine import which_routine

VERSION = 1  # of the JSON


@dataclass(frozen=True)
class Convolution:
    """One PatternConv of a file.

    Attributes:
        layer: name of the node.
        form: name of the operator, which says what follows the convolution.
        types: of X and W.
        block, window, strides, group: as the node states them.
        routines: provider -> what computes it there.
    """

    layer: str
    form: str
    types: tuple[str, str]
    block: tuple[int, int]
    window: tuple[int, int]
    strides: tuple[int, int]
    group: int
    routines: dict[str, str]


@dataclass(frozen=True)
class ModelDiagnosis:
    """What a file needs, and whether it runs here.

    Attributes:
        file: name of the file.
        convolutions: its PatternConv, in the graph's order.
        minimum_onnxruntime: as the file says; empty if it does not.
        runs: provider -> empty if it was opened there and ran on random numbers, else why not.
    """

    file: str
    convolutions: Sequence[Convolution]
    minimum_onnxruntime: str
    runs: dict[str, str]


@dataclass(frozen=True)
class Diagnosis:
    """What `cct doctor` found.

    Attributes:
        software: versions, of cct first.
        machine: processor and cores.
        library: path of the operator library; empty on a platform that has none.
        providers: that onnxruntime was built with.
        rows: ISA rows of the library, best first.
        isa: the row that runs; empty if none can.
        forced: the environment variable CCT_ISA.
        build: what the CUDA routines were built with; None if the library has none.
        driver: NVIDIA's; None if there is none.
        cannot: provider -> why the library does not run there; empty if it does.
        model: what was found of a file, if one was given.
        problem: what keeps the machine from doing what was asked, in one line; empty if nothing does.
    """

    software: dict[str, str]
    machine: str
    library: str
    providers: list[str]
    rows: list[IsaRow]
    isa: str
    forced: str
    build: CudaBuild | None
    driver: Driver | None
    cannot: dict[str, str]
    model: ModelDiagnosis | None = None
    problem: str = ""

    @property
    def capability(self) -> tuple[int, int] | None:
        """Of the GPU that ONNX Runtime takes, the first; None without one."""
        return self.driver.gpus[0].capability if self.driver and self.driver.gpus else None

    def to_json(self) -> str:
        """For programs."""
        return as_json({"cct_doctor": VERSION, **asdict(self)})

    def to_text(self) -> str:
        """For a terminal."""
        return "\n".join([*self.machine_lines(), "", self._covered().rstrip(), *self._model()])

    def machine_lines(self) -> list[str]:
        """All but the model, and what the operator covers."""
        gpus = self.driver.gpus if self.driver else []
        rows = [row.name + ("" if row.supported else " (not on this CPU)") for row in self.rows]
        chosen = f"CCT_ISA forces {printable(self.forced)}" if self.forced else f"{self.isa} runs"
        lines = [
            f"software     {', '.join(f'{name} {version}' for name, version in self.software.items())}",
            f"machine      {self.machine}",
            f"library      {printable(self.library, 300) or 'none for this platform: files run as dense convolutions'}",
            f"providers    of onnxruntime: {', '.join(self.providers)}",
        ]
        if self.rows:
            lines.append(f"rows         {', '.join(rows)}; {chosen}")
        lines.append(f"kernels      {self.build or 'none for CUDA in the library'}")
        lines.append(
            f"driver       {f'of NVIDIA, for CUDA {dotted(self.driver.cuda)}' if self.driver else 'none of NVIDIA'}"
        )
        for number, gpu in enumerate(gpus):
            image = self.build.image_for(gpu.capability) if self.build else ""
            lines.append(f"gpu {number:<9}{gpu}: {image or 'nothing in the library for it'}")
        return lines + [f"{name:<13}{f'no: {why}' if why else 'yes'}" for name, why in self.cannot.items()]

    def _covered(self) -> str:
        table = [("X, Y", "W", *self.cannot)]
        for types in TYPES.values():
            routines = (self._routine(provider, types.tf32) for provider in self.cannot)
            table.append((types.activations, types.weights, *routines))
        return aligned(table)

    def _routine(self, provider: str, tf32: bool) -> str:
        built = self.build if provider == "cuda" else self.isa
        return which_routine(provider, tf32, 9, self.isa, self.capability) if built else "-"

    def _model(self) -> list[str]:
        if self.model is None:
            return []
        found = self.model
        needs = f", needs onnxruntime {printable(found.minimum_onnxruntime)}" if found.minimum_onnxruntime else ""
        lines = ["", f"model        {printable(found.file)}: {len(found.convolutions)} PatternConv{needs}"]
        for name, why in found.runs.items():
            no = "no, as said above" if why == self.cannot[name] else f"no: {why}"
            lines.append(f"on {name:<10}{no if why else 'opens and runs'}")
        if not found.convolutions:
            return [*lines, "note         no PatternConv: cct's library has nothing to run in it"]
        table = [("layer", "form", "X, Y", "W", "block", "window", "stride", "groups", *found.runs)]
        for c in found.convolutions:
            sizes = ("x".join(map(str, pair)) for pair in (c.block, c.window, c.strides))
            table.append((printable(c.layer), c.form, *c.types, *sizes, str(c.group), *c.routines.values()))
        return [*lines, "", aligned(table).rstrip()]
