"""Goals: what a result must reach, in one vocabulary for options and recipes.

    METRIC:KIND=LIMIT     accuracy:max-degradation=0.5   latency:percent-min-improvement=50   parity:threshold=1e-4

The metrics are rows of `cct.gate.metrics`, which say which way is better; the kinds are those of Olive's metric goals.
A goal that nothing could fail, or nothing reach, is refused: it is a slip. What is not a finite number reaches no goal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cct.errors import CctError, RecipeError
from cct.gate.metrics import METRICS

KINDS = ("threshold", "min-improvement", "percent-min-improvement", "max-degradation", "percent-max-degradation")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")  # float() takes 1_0 and digits of any script


@dataclass(frozen=True)
class Measure:
    """A figure that goals are held against.

    Attributes:
        metric: a key of `METRICS`.
        value: of the compressed model.
        baseline: of the unpruned model; None where there is none.
        where: what the figure is for, such as "2 threads", if there are several of the metric.
        doubt: why it could not be measured; then it reaches no goal.
    """

    metric: str
    value: float
    baseline: float | None = None
    where: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Goal:
    """One goal.

    Attributes:
        metric: a key of `METRICS`.
        kind: one of `KINDS`. A threshold is the worst value allowed; improvement and degradation are against the
            baseline, in the metric's unit or in percent of the baseline.
        limit: a finite number.

    Raises:
        RecipeError: the limit makes no sense for the metric and the kind.
    """

    metric: str
    kind: str
    limit: float

    def __post_init__(self) -> None:
        if self.metric in METRICS and self.kind in KINDS and (fault := self._fault()):
            raise RecipeError(f"goal {self}: {fault}")

    @classmethod
    def parse(cls, text: str) -> Goal:
        """Read METRIC:KIND=LIMIT.

        Raises:
            RecipeError: says which part is wrong and what is allowed.
        """
        metric, colon, rest = text.partition(":")
        kind, equals, number = rest.partition("=")
        if not colon or not equals:
            raise RecipeError(f"goal {text!r}: write METRIC:KIND=LIMIT, such as accuracy:max-degradation=0.5")
        if metric not in METRICS:
            raise RecipeError(f"goal {text!r}: there is no metric {metric!r}; there is {', '.join(METRICS)}")
        kinds = KINDS if METRICS[metric].has_baseline else KINDS[:1]
        if kind not in kinds:
            raise RecipeError(f"goal {text!r}: {metric} has no {kind!r}; it has {', '.join(kinds)}")
        if not _NUMBER.fullmatch(number) or not math.isfinite(float(number)):
            raise RecipeError(f"goal {text!r}: {number!r} is no number")
        return cls(metric, kind, float(number))

    def __str__(self) -> str:
        short = f"{self.limit:g}"
        return f"{self.metric}:{self.kind}={short if float(short) == self.limit else repr(self.limit)}"

    @property
    def relative(self) -> bool:
        """Whether it compares with the baseline."""
        return self.kind != "threshold"

    def _fault(self) -> str:
        """What is wrong with the limit, in words of its likely meaning; empty if nothing is."""
        limit, percent, metric = self.limit, self.kind.startswith("percent"), METRICS[self.metric]
        if not math.isfinite(limit):
            return "the limit must be a number"
        if not self.relative:
            return metric.threshold_fault(limit) or ("the limit must be above 0, or nothing reaches it" * (limit <= 0))
        if limit < 0:
            opposite = "max-degradation" if self.kind.endswith("improvement") else "min-improvement"
            return f"a limit below 0 asks for the opposite: write {'percent-' * percent}{opposite}={-limit:g}"
        if fault := metric.change_fault(limit):
            return fault
        if percent and self.kind.endswith("improvement") and limit >= 100 and not metric.higher_is_better:
            return f"nothing gets {limit:g} % smaller: a model twice as fast is percent-min-improvement=50"
        return ""

    def failure(self, measure: Measure) -> str | None:
        """Why `measure` does not reach the goal, in one line; None if it does. What is not finite fails."""
        where = f" ({measure.where})" if measure.where else ""
        if measure.doubt:
            return f"{self}: {self.metric} could not be measured{where}: {measure.doubt}"
        metric = METRICS[self.metric]
        reached = self._change(measure) if self.relative else measure.value
        at_least = self.kind.endswith("improvement") if self.relative else metric.higher_is_better
        if math.isfinite(reached) and ((reached >= self.limit) if at_least else (reached <= self.limit)):
            return None
        unit = f" {metric.unit}".rstrip()
        figures = f"{self.metric} is {measure.value:.4g}{unit}"
        if self.relative:
            figures += f", the baseline's {measure.baseline:.4g}{unit}"
        return f"{self}: {figures}{where}"

    def _change(self, measure: Measure) -> float:
        """Improvement or degradation, whichever the kind asks for."""
        if measure.baseline is None:
            return math.nan
        better = measure.value - measure.baseline
        if not METRICS[self.metric].higher_is_better:
            better = -better
        change = better if self.kind.endswith("improvement") else -better
        if self.kind.startswith("percent"):
            return 100 * change / measure.baseline if measure.baseline else math.nan
        return change


def failures(goals: Iterable[Goal], measures: Sequence[Measure]) -> list[str]:
    """The goals that are not reached, one line each, of the first measure that misses.

    Raises:
        CctError: there is nothing to hold a goal against, so there can be no verdict.
    """
    failed = []
    for goal in goals:
        own = [m for m in measures if m.metric == goal.metric]
        if not own:
            raise CctError(f"goal {goal}: no {goal.metric} was measured")
        if goal.relative and any(m.baseline is None for m in own):
            raise CctError(f"goal {goal} needs --baseline: there is nothing to compare with")
        first = next((line for line in map(goal.failure, own) if line), None)
        if first:
            failed.append(first)
    return failed
