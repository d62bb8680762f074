"""Do the cases of `cct selftest` reach every kernel? On the driver that records launches, with the library's rule."""

from __future__ import annotations

import re

import pytest

from cct.selftest.specs import SPECS
from tests.native.cuda.host import DEVICES, Gpu, conv_of
from tests.native.cuda.launch import HELPERS, PLAIN, TILES


@pytest.mark.parametrize("device", ["8.0", "9.0"])
def test_the_cases_reach_every_kernel(cuda_library, mock_driver, monkeypatch, device):
    monkeypatch.setenv("CCT_MOCK_RUN", "0")
    gpu = Gpu(cuda_library, mock_driver)
    gpu.launches()
    reached, split = set(), set()
    for spec in SPECS:
        case = spec.draw()
        conv_of(gpu, case, DEVICES[device], tf32=not spec.exact).run(case.x, case.z)
        launches = gpu.launches()
        # Each is held to the bound of what runs: a looser one would hide errors, a tighter one would find some.
        assert any(launched.kernel.endswith("tf32") for launched in launches) == spec.tf32, spec
        for launched in launches:
            reached.add(launched.kernel)
            split |= {launched.kernel.removeprefix("cct_")} if launched.grid[2] > 1 else set()
    assert reached == {*TILES, *HELPERS, *PLAIN}
    for some in ("halo_", "pointwise_", r"gather_\d+x\d+$", r"gather_\w+_tf32"):
        assert any(re.match(some, kernel) for kernel in split), some
