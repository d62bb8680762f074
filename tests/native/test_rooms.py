"""The rooms of cct/native: includes go one way, from ONNX Runtime down to the file format, and never in a circle."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "cct" / "native"
BELOW = {"ort": {"cpu", "cuda", "format"}, "cpu": {"format"}, "cuda": {"format"}, "format": set[str]()}
BUILD_FILES = {"CMakeLists.txt", "exports.map", "cuda/fatbin.cmake"}
OF_THE_TESTS = {("cuda/device.h", "emulator.h")}  # with CCT_EMULATE


def read_includes(native: Path) -> dict[str, list[str]]:
    """What each source includes in quotes, and of the folder in angle brackets too; by its path in the folder."""
    names = {path.relative_to(native).as_posix() for path in native.rglob("*") if path.is_file()} - BUILD_FILES
    pattern = re.compile(r'^\s*#\s*include\s*(["<])([^">]*)', re.MULTILINE)
    return {
        name: [other for mark, other in pattern.findall((native / name).read_text()) if mark == '"' or other in names]
        for name in sorted(names)
    }


def find_faults(includes: dict[str, list[str]]) -> list[str]:
    """A line for each file without a room and each include that goes up, sideways or nowhere, and for a circle."""
    faults = []
    for name, included in includes.items():
        room = name.partition("/")[0]
        if room not in BELOW or not name.endswith((".h", ".cpp", ".cu")):
            faults.append(f"{name} is in no room")
            continue
        for other in included:
            if (name, other) in OF_THE_TESTS:
                continue
            if other not in includes:
                faults.append(f"{name} includes {other}, which is no file of cct/native")
            elif other.partition("/")[0] not in {room, *BELOW[room]}:
                faults.append(f"{name} includes {other}, which is not below it")
    try:
        TopologicalSorter(includes).prepare()
    except CycleError as error:
        faults.append("a circle: " + " -> ".join(error.args[1]))
    return faults


def test_includes_go_one_way():
    includes = read_includes(NATIVE)
    assert {name.partition("/")[0] for name in includes} == set(BELOW)
    assert find_faults(includes) == []


@pytest.mark.parametrize(
    ("name", "include", "fault"),
    [
        ("format/packed.h", '"cuda/fatbin.h"', "format/packed.h includes cuda/fatbin.h, which is not below it"),
        ("cpu/plan.cpp", '"cuda/launch.h"', "cpu/plan.cpp includes cuda/launch.h, which is not below it"),
        ("cuda/tiles.h", "<ort/ort_abi.h>", "cuda/tiles.h includes ort/ort_abi.h, which is not below it"),
        ("cpu/plan.cpp", '"plan.h"', "cpu/plan.cpp includes plan.h, which is no file of cct/native"),
        ("cpu/job.cpp", '"../cpu/job.h"', "cpu/job.cpp includes ../cpu/job.h, which is no file of cct/native"),
        ("cpu/weights.h", '"cpu/plan.h"', "a circle: cpu/plan.h -> cpu/weights.h -> cpu/plan.h"),
        ("tables.h", '"format/fault.h"', "tables.h is in no room"),
        ("hip/launch.h", '"format/fault.h"', "hip/launch.h is in no room"),
    ],
)
def test_a_wrong_include_is_found(tmp_path, name, include, fault):
    for file, included in read_includes(NATIVE).items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("".join(f'#include "{other}"\n' for other in included))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    with (tmp_path / name).open("a") as source:
        source.write(f"  # include {include}\n")
    assert find_faults(read_includes(tmp_path)) == [fault]
