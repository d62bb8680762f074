"""`diagnose_model`: does a file run here, on the CPU and on the GPU, and by which routines?"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from cct.errors import CctError
from cct.messages import first_line, printable
from cct.operator.read_model import pattern_convs, read_model
from cct.operator.read_node import read_pattern_conv
from cct.operator.types import types_of_node
from cct.report.diagnosis import Convolution, Diagnosis, ModelDiagnosis
from cct.runtime.random_feeds import random_feeds
from cct.runtime.routine import which_routine
from cct.runtime.session import session

_SIDE = 64  # pixels of images whose size neither the file nor its metadata says


def diagnose_model(path: Path, machine: Diagnosis) -> ModelDiagnosis:
    """Read and check a file, open it on each provider, and run it once on random numbers.

    Args:
        path: an ONNX file.
        machine: what the machine can do.

    Raises:
        CctError: the file is no valid model.
    """
    model = read_model(path)
    needs = model.metadata_props.get("cct.minimum_onnxruntime", "")
    runs = {}
    for provider, cannot in machine.cannot.items():
        why = (cannot if provider == "cuda" else "") or _problem(path, provider, _size(model))
        if why and _numbers(needs) > _numbers(ort.__version__):
            why = f"{printable(path)} needs onnxruntime {printable(needs)} and here is {ort.__version__}: update it"
        runs[provider] = why
    return ModelDiagnosis(path.name, [_convolution(node, machine) for node in pattern_convs(model)], needs, runs)


def _problem(path: Path, provider: str, size: tuple[int, int]) -> str:
    """Why it does not run; empty if it does."""
    try:
        opened = session(path, provider=provider)
        opened.run(None, random_feeds(opened, 1, 0, size))
    except CctError as error:
        return str(error)
    except Exception as error:  # ONNX Runtime raises many kinds
        return f"{path} opens, and does not run on one random image: {first_line(error)}"
    return ""


def _size(model: ir.Model) -> tuple[int, int]:
    """Of the images that the file was made for."""
    stated = _numbers(model.metadata_props.get("cct.size", ""))
    return (stated[0], stated[1]) if len(stated) == 2 and min(stated) > 0 else (_SIDE, _SIDE)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", text)]


def _convolution(node: ir.Node, machine: Diagnosis) -> Convolution:
    packed, bias = read_pattern_conv(node)
    positions = len(np.unique(packed.pool[np.unique(packed.patterns)]))
    types = types_of_node(str(bias.dtype), str(packed.W.dtype))

    def pair(name: str) -> tuple[int, int]:
        first, second = node.attributes[name].as_ints()
        return first, second

    return Convolution(
        layer=str(node.name),
        form=node.op_type,
        types=(types.activations, types.weights),
        block=packed.block,
        window=packed.kernel_shape,
        strides=pair("strides"),
        group=packed.group,
        routines={
            provider: which_routine(provider, types.tf32, positions, machine.isa, machine.capability, packed.group)
            for provider in machine.cannot
        },
    )
