"""What the tests of the CUDA kernels share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.native.cuda import toolchain
from tests.support.tools import missing


def _tool(find: Callable[[], list[str]]) -> list[str]:
    try:
        return find()
    except toolchain.NoToolchain as reason:
        missing(str(reason))


@pytest.fixture(scope="session")
def nvcc() -> list[str]:
    """Command line of nvcc; what asks for it is skipped where there is none and pip brings none."""
    return _tool(toolchain.nvcc)


@pytest.fixture(scope="session")
def nvdisasm() -> list[str]:
    """Command line of nvdisasm, likewise."""
    return _tool(toolchain.nvdisasm)
