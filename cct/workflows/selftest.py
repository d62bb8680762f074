"""`run_self_test`: every case, then the speed, on one provider."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from cct.errors import LibraryError
from cct.runtime.session import PROVIDERS
from cct.selftest.run_case import run_case
from cct.selftest.self_test import SelfTest
from cct.selftest.specs import SPECS
from cct.selftest.time_chain import SHAPES, TIMED_TYPES, time_chain
from cct.workflows.doctor import diagnose


def run_self_test(provider: str, tell: Callable[[str], None], rounds: int = 10) -> SelfTest:
    """Run all cases and time the chains.

    Args:
        provider: "cpu" or "cuda".
        tell: is given a line now and then.
        rounds: turns of each chain, as `cct.measure.interleaved.compare` takes them.

    Raises:
        LibraryError: the library can't run on the provider at all, and what is missing. A case that is wrong is no
            error: see `SelfTest.failed`.
    """
    machine = diagnose()
    if machine.cannot[provider]:
        raise LibraryError(f"no self-test on {provider}: {machine.cannot[provider]}")
    outcomes = []
    for number, spec in enumerate(SPECS, 1):
        outcomes.append(run_case(spec, provider))
        if number % 10 == 0 or number == len(SPECS):
            tell(f"{number} of {len(SPECS)} cases")
    times = []
    for dtype, (channels, side) in itertools.product(TIMED_TYPES[provider], SHAPES):
        tell(f"timing {channels} channels of {side}x{side} in {dtype}")
        times.append(time_chain(channels, side, dtype, provider, rounds))
    return SelfTest(PROVIDERS[provider], machine, outcomes, times)
