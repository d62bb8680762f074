from __future__ import annotations

import pytest
import torch

from cct.errors import CctError
from cct.training.device import find_device


def test_the_cpu_is_always_there() -> None:
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "meta", "CUDA", "cpu:0", "cuda:0000000000", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(CctError, match="choose cpu, cuda, cuda:N or mps"):
        find_device(name)


def test_a_gpu_that_is_not_here_is_named() -> None:
    count = torch.cuda.device_count()
    with pytest.raises(CctError, match=f"this machine has {count} CUDA GPUs" if count else "finds no CUDA GPU here"):
        find_device("cuda:999")
    if not torch.backends.mps.is_available():
        with pytest.raises(CctError, match="finds no such GPU here"):
            find_device("mps")


@pytest.mark.skipif(torch.cuda.device_count() == 0, reason="torch finds no CUDA GPU here")
def test_a_gpu_becomes_the_current_one() -> None:
    assert find_device("cuda:0").index == torch.cuda.current_device() == 0


def test_one_device_is_not_for_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("cuda:0", "mps"):
        with pytest.raises(CctError, match="is one device for 2 processes: choose cuda or cpu"):
            find_device(name)
    monkeypatch.setenv("LOCAL_RANK", "999")
    with pytest.raises(CctError, match="CUDA GPU"):
        find_device("cuda")
    assert find_device("cpu") == torch.device("cpu")
