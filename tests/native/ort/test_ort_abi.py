"""The slots of ONNX Runtime's API that ort_abi.h declares, against a copy of our own and, where it is, a full list."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEADER = ROOT / "cct" / "native" / "ort" / "ort_abi.h"
SHARED = Path(os.environ.get("CCT_SHARED", ROOT.parent / "shared"))

# Read off onnxruntime_c_api.h by offsetof.
SLOTS = {
    "CreateStatus": 0,
    "GetErrorMessage": 2,
    "CreateCustomOpDomain": 26,
    "CustomOpDomain_Add": 27,
    "AddCustomOpDomain": 28,
    "GetTensorMutableData": 51,
    "CreateTensorTypeAndShapeInfo": 57,
    "SetTensorElementType": 58,
    "SetDimensions": 59,
    "GetTensorElementType": 60,
    "GetDimensionsCount": 61,
    "GetDimensions": 62,
    "GetSymbolicDimensions": 63,
    "GetTensorTypeAndShape": 65,
    "MemoryInfoGetId": 72,
    "AllocatorAlloc": 75,
    "AllocatorFree": 76,
    "AllocatorGetInfo": 77,
    "KernelInfoGetAttribute_float": 85,
    "KernelInfoGetAttribute_int64": 86,
    "KernelInfoGetAttribute_string": 87,
    "KernelContext_GetInput": 90,
    "KernelContext_GetOutput": 91,
    "ReleaseStatus": 93,
    "ReleaseTensorTypeAndShapeInfo": 99,
    "ReleaseCustomOpDomain": 101,
    "ReleaseAllocator": 132,
    "KernelInfoGetAttributeArray_int64": 163,
    "KernelContext_GetGPUComputeStream": 193,
    "GetTensorMemoryInfo": 194,
    "MemoryInfoGetDeviceType": 225,
    "KernelInfoGetConstantInput_tensor": 249,
    "KernelContext_GetResource": 265,
    "ShapeInferContext_GetInputTypeShape": 268,
    "ShapeInferContext_GetAttribute": 269,
    "ShapeInferContext_SetOutputTypeShape": 270,
    "SetSymbolicDimensions": 271,
    "ReadOpAttr": 272,
    "KernelContext_ParallelFor": 274,
    "KernelContext_GetScratchBuffer": 277,
    "KernelInfoGetAllocator": 278,
}


def declared() -> dict[str, int]:
    found = re.findall(r"^constexpr Function<(\d+),[^;]*>\s+(\w+);", HEADER.read_text(), re.MULTILINE)
    return {name: int(slot) for slot, name in found}


def test_every_slot_is_the_one_that_we_know():
    assert declared() == SLOTS


def test_no_slot_is_newer_than_the_oldest_runtime():
    assert max(declared().values()) <= 279


def test_the_slots_are_those_of_the_full_list():
    path = SHARED / "reference" / "ort_api_slots.tsv"
    if not path.exists():
        pytest.skip(f"no list of all slots at {path}")
    with path.open() as lines:
        known = {row["function"]: int(row["slot"]) for row in csv.DictReader(lines, delimiter="\t")}
    assert {name: known[name] for name in declared()} == declared()
