"""What `cct selftest` found, as Markdown to paste into an issue, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cct.report.diagnosis import Diagnosis
from cct.report.plain_json import as_json
from cct.report.table import aligned
from cct.report.timing import CLOCKS
from cct.runtime.session import PROVIDERS
from cct.selftest.chain import DEPTH
from cct.selftest.run_case import Outcome
from cct.selftest.time_chain import COMPRESSION, ChainTime

VERSION = 2  # of the JSON


@dataclass(frozen=True)
class SelfTest:
    """The whole report.

    Attributes:
        provider: of ONNX Runtime, where it ran.
        machine: what `cct doctor` says of it.
        outcomes: one a case.
        times: packed against dense.
    """

    provider: str
    machine: Diagnosis
    outcomes: Sequence[Outcome]
    times: Sequence[ChainTime]

    @property
    def failed(self) -> list[str]:
        """The cases and chains that are wrong, a line each."""
        chains = [
            f"chain of {chain.channels} at {chain.side}: {chain.problem}" for chain in self.times if chain.problem
        ]
        return [f"{outcome.case}: {outcome.problem}" for outcome in self.outcomes if outcome.problem] + chains

    def to_json(self) -> str:
        """For programs."""
        times = [asdict(time) for time in self.times]
        content = {"cct_selftest": VERSION, "provider": self.provider, "failed": self.failed}
        machine, outcomes = asdict(self.machine), [asdict(outcome) for outcome in self.outcomes]
        return as_json({**content, "machine": machine, "cases": outcomes, "times": times})

    def to_text(self) -> str:
        """Markdown."""
        right = sum(not outcome.problem for outcome in self.outcomes)
        lines = [f"## cct selftest, {self.provider}: {right} of {len(self.outcomes)} cases are right", ""]
        lines += [f"- WRONG: {failure}" for failure in self.failed] + [""] * bool(self.failed)
        if self.failed and self.provider != PROVIDERS["cpu"]:
            lines += ["After an error of CUDA itself, those that follow may be of the same cause.", ""]
        lines += _code("\n".join(self.machine.machine_lines()))
        lines += [f"Time of {DEPTH} convolutions 3x3 with ReLU, {COMPRESSION}x compressed, against dense ones:", ""]
        lines += _code(self._times())
        lines += ["Each case, with its largest error / what is allowed:", "", *_code(self._cases())]
        return "\n".join(lines)

    def _times(self) -> str:
        table: list[tuple[str, ...]] = [("images", "type", "block", "dense ms", "packed ms", "ratio")]
        for time in self.times:
            images = f"{time.batch}x{time.channels}x{time.side}x{time.side}"
            ms = (f"{timing.ms:.3f}" if timing else "failed" for timing in (time.dense, time.packed))
            ratio = str(time.ratio) if time.ratio else "-"
            table.append((images, time.dtype, f"{time.block[0]}x{time.block[1]}", *ms, ratio))
        clocks = dict.fromkeys(CLOCKS[time.dense.clock] for time in self.times if time.dense)
        lines = [f"in turns, 1 thread of the CPU: 5th percentile of the {', '.join(clocks)}"] if clocks else []
        doubts = dict.fromkeys(time.ratio.doubt for time in self.times if time.ratio and time.ratio.doubt)
        lines += [f"no figure: {doubt}" for doubt in doubts]
        return aligned(table, right=(3, 4, 5)) + "\n".join(lines)

    def _cases(self) -> str:
        compared = any(outcome.against_cpu is not None for outcome in self.outcomes)
        table: list[tuple[str, ...]] = [("form", "error", *["to the CPU"] * compared, "case")]
        for outcome in self.outcomes:
            other = "-" if outcome.against_cpu is None else f"{outcome.against_cpu:.3f}"
            table.append((outcome.form, f"{outcome.error:.3f}", *[other] * compared, outcome.case))
        return aligned(table, right=range(1, 2 + compared))


def _code(text: str) -> list[str]:
    return ["```text", *text.rstrip().splitlines(), "```", ""]
