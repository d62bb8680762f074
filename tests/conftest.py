"""Fixtures that tests of several modules ask for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import MODEL, run


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small are no faster on two threads, and much slower when other work has the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one short run of `cct compress`: digits.pt, m.onnx, m.pt, m.report.json and stdout.json."""
    folder = tmp_path_factory.mktemp("compressed")
    shutil.copy(MODEL, folder / "digits.pt")
    done = run("compress", "digits.pt", "--data", "digits", "--epochs", 1, "-o", "m.onnx", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "stdout.json").write_text(done.stdout)
    return folder
