"""Do the cases of `cct selftest` reach every kernel? On the driver that records launches, with the library's rule."""

from __future__ import annotations

import pytest
from native.cuda.host import DEVICES, Gpu, conv_of
from native.cuda.launch import HELPERS, PLAIN, TILES

from cct.selftest.specs import SPECS


@pytest.mark.parametrize("device", ["8.0", "9.0"])
def test_the_cases_reach_every_kernel(cuda_library, mock_driver, monkeypatch, device):
    monkeypatch.setenv("CCT_MOCK_RUN", "0")
    gpu = Gpu(cuda_library, mock_driver)
    gpu.launches()
    reached, split = set(), set()
    for spec in SPECS:
        case = spec.draw()
        conv_of(gpu, case, DEVICES[device]).run(case.x, case.z)
        for launched in gpu.launches():
            reached.add(launched.kernel)
            split |= {launched.kernel.split("_")[1]} if launched.grid[2] > 1 else set()
    assert reached == {*TILES, *HELPERS, *PLAIN}
    assert split >= {"halo", "gather"}
