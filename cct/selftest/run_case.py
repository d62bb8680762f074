"""`run_case`: one case in ONNX Runtime, held to what the operator means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cct.errors import CctError
from cct.measure.profile import profile
from cct.messages import first_line
from cct.operator.spec import NAMES
from cct.runtime.session import PROVIDERS
from cct.selftest.case import EPS, TF32_ROUNDING, Case
from cct.selftest.specs import Spec

# Of the bound (docs/operator.md). Tensor cores cut off sums where other processors round them, hundreds of times.
_FACTORS = {"cpu": 8 * EPS, "cuda": 64 * EPS}


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        case: in words.
        form: name of the operator.
        error: largest |Y - meaning| / bound over the outputs; not above 1 when all are right.
        against_cpu: largest |Y - Y of the CPU's routine| / (both bounds); None where the CPU itself is tested.
        problem: why it is wrong; empty if it is right.
    """

    case: str
    form: str
    error: float
    against_cpu: float | None
    problem: str


def run_case(spec: Spec, provider: str) -> Outcome:
    """Run a case on a provider, and on CUDA on the CPU too."""
    case = spec.draw()
    expected = case.expected()
    rounding = {"cuda": TF32_ROUNDING if spec.tf32 else 0.0}
    bounds = {name: case.bound(factor, rounding.get(name, 0.0)) for name, factor in _FACTORS.items()}
    options: dict[str, object] | None = {"use_tf32": 0} if spec.exact and provider == "cuda" else None
    error, against_cpu, problem = np.inf, None, ""
    try:
        y = _answer(case, provider, options)
        error = _worst(y, expected, bounds[provider])
        if error > 1:
            problem = f"an output is wrong by {error:.3g} times what is allowed"
        if provider != "cpu":
            against_cpu = _worst(y, _answer(case, "cpu"), bounds[provider] + bounds["cpu"])
            if against_cpu > 1:
                problem = problem or f"an output differs from the CPU's by {against_cpu:.3g} times what is allowed"
    except CctError as refused:
        problem = str(refused)
    except Exception as failed:  # ONNX Runtime raises many kinds
        problem = first_line(failed)
    return Outcome(str(spec), spec.form, float(error), against_cpu, problem)


def _answer(case: Case, provider: str, options: dict[str, object] | None = None) -> NDArray[np.floating]:
    """Y, by the library.

    Raises:
        CctError: ONNX Runtime refuses the model, or ran the node elsewhere.
    """
    answers: list[Any] = []
    model = case.model().SerializeToString()
    feeds = case.feeds()
    events = profile(
        model, lambda opened: answers.append(opened.run(None, feeds)), provider=provider, provider_options=options
    )
    ran = [e["args"]["provider"] for e in events if e["args"].get("op_name") in NAMES]
    if ran != [PROVIDERS[provider]]:
        raise CctError(f"the node ran on {', '.join(ran) or 'nothing of the library'}, not on {PROVIDERS[provider]}")
    y: NDArray[np.floating] = answers[0][0]
    return y


def _worst(a: NDArray[np.floating], b: NDArray[np.floating], bound: NDArray[np.float64]) -> float:
    """Largest |a - b| / bound; infinite where shapes differ or an output is not a number."""
    if a.shape != b.shape or not np.isfinite(a).all():
        return np.inf
    return float(np.max(abs(a.astype(np.float64) - b) / bound, initial=0.0))
