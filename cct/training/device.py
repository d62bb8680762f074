"""The device that `--device` names."""

from __future__ import annotations

import re

import torch

from cct import distributed
from cct.errors import CctError


def find_device(name: str) -> torch.device:
    """Make sure that this machine has the device, and make a GPU the current one: of several processes, each its own.

    Args:
        name: cpu, cuda, cuda:N or mps.

    Raises:
        CctError: there is no such device here.
    """
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?|mps", name):
        raise CctError(f"--device {name}: choose cpu, cuda, cuda:N or mps")
    several = distributed.count() > 1
    if several and name not in ("cpu", "cuda"):
        raise CctError(f"--device {name} is one device for {distributed.count()} processes: choose cuda or cpu")
    if several and name == "cuda":
        name = f"cuda:{distributed.local_index()}"
    device = torch.device(name)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise CctError("--device mps: torch finds no such GPU here; leave the option out for the CPU")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if count == 0:
            raise CctError(f"--device {name}: torch finds no CUDA GPU here; leave the option out for the CPU")
        if (device.index or 0) >= count:
            raise CctError(f"--device {name}: this machine has {count} CUDA GPUs, the last is cuda:{count - 1}")
        torch.cuda.set_device(device.index or 0)  # accelerate takes the current one
    return device
