"""Wrong instructions in device.h, which nothing but the interpreter sees: it must find each."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.native.cuda import interpreter
from tests.native.cuda.device_cases import SPECS, Spec
from tests.native.cuda.ptx.errors import PtxError, UnknownPtx
from tests.native.cuda.ptx.parse import Function, parse
from tests.native.cuda.toolchain import SOURCE, compile_kernels

# Of each way to load, the kernels with the least code: the compiler takes most of the time.
FLOAT16 = ("cct_gather_64x64", "cct_halo_16x16x64", "cct_halo_8x32x64_by4", "cct_pointwise_64x64")
TF32 = ("cct_gather_64x64_tf32",)
LOADED = ("cct_pointwise_64x64_tf32",)  # what rounds where it loads for the tensor cores


@dataclass(frozen=True)
class Mutant:
    """A replacement in one function of device.h."""

    name: str
    function: str  # how its declaration begins, behind the type
    right: str
    wrong: str
    kernels: tuple[str, ...] = ()  # whose cases find it; empty: all with the function

    @property
    def tried(self) -> list[Spec]:
        """A case of each kernel that has the function."""
        return first_of(self.kernels or (TF32 if "float" in self.function else FLOAT16))

    def apply(self, text: str) -> str:
        """Raises an AssertionError unless the function and the text in it are there once."""
        bodies = re.findall(
            rf"^CCT_DEVICE \w+ {re.escape(self.function)}.*?^(?=\n|#endif)", text, re.DOTALL | re.MULTILINE
        )
        assert len(bodies) == 1, f"{self.function} is there {len(bodies)} times"
        assert bodies[0].count(self.right) == 1, (
            f"{self.right} is in {self.function} {bodies[0].count(self.right)} times"
        )
        return text.replace(bodies[0], bodies[0].replace(self.right, self.wrong))


OF_HALF, OF_TF32 = "multiply_add<uint16_t>(", "multiply_add<float>("
MUTANTS = [
    Mutant("halves of b exchanged", OF_HALF, '"r"(b0), "r"(b1)', '"r"(b1), "r"(b0)'),
    Mutant("quarters of a exchanged", OF_HALF, '"r"(a[1]), "r"(a[2])', '"r"(a[2]), "r"(a[1])'),
    Mutant("columns of the sums exchanged", OF_HALF, '(sums[0]), "+f"(sums[1])', '(sums[1]), "+f"(sums[0])'),
    Mutant("rows of the sums exchanged", OF_HALF, "{%0, %1, %2, %3}, {%4", "{%2, %3, %0, %1}, {%4"),
    Mutant("halves of b exchanged, tf32", OF_TF32, '"r"(b0), "r"(b1)', '"r"(b1), "r"(b0)'),
    Mutant("quarters of a exchanged, tf32", OF_TF32, '"r"(a[1]), "r"(a[2])', '"r"(a[2]), "r"(a[1])'),
    Mutant("columns of the sums exchanged, tf32", OF_TF32, '(sums[0]), "+f"(sums[1', '(sums[1]), "+f"(sums[0'),
    Mutant("rows of the sums exchanged, tf32", OF_TF32, "{%0, %1, %2, %3}, {%4", "{%2, %3, %0, %1}, {%4"),
    Mutant("float16 for tf32", OF_TF32, "m16n8k8.row.col.f32.tf32.tf32", "m16n8k16.row.col.f32.f16.f16"),
    Mutant("not rounded to tf32", "operand_of(float", "cvt.rna.tf32.f32", "mov.b32"),
    Mutant("not rounded as it is loaded", "operand_of(float", "cvt.rna.tf32.f32", "mov.b32", LOADED),
    Mutant("matrices exchanged", "load_matrices(", '"=r"(to[1]), "=r"(to[2])', '"=r"(to[2]), "=r"(to[1])'),
    Mutant("matrices transposed", "load_matrices(", ".x4.shared", ".x4.trans.shared"),
    Mutant("transposed matrices exchanged", "load_transposed(", '(to[0]), "=r"(to[1])', '(to[1]), "=r"(to[0])'),
    Mutant("not transposed", "load_transposed(", ".x4.trans.shared", ".x4.shared"),
    Mutant("half a copy", "copy_async(", "inside ? 16 : 0", "inside ? 8 : 0"),
    Mutant("half of the zeros", "copy_async(", "inside ? 16 : 0", "inside ? 16 : 8"),
    Mutant("no zeros", "copy_async(", "inside ? 16 : 0", "16"),
    Mutant("a copy of 8 bytes", "copy_async(", ".cg.shared.global [%0], [%1], 16", ".ca.shared.global [%0], [%1], 8"),
    Mutant("no zeros, of 8 bytes", "copy_async_8(", "inside ? 8 : 0", "8"),
    Mutant("half a copy of 8 bytes", "copy_async_8(", "inside ? 8 : 0", "inside ? 4 : 0"),
    Mutant("no group is closed", "commit_copies(", "cp.async.commit_group;", ""),
    Mutant("a group too few is waited for", "wait_copies(", '"n"(kGroups)', '"n"(kGroups + 1)'),
    Mutant("no wait", "wait_copies(", "cp.async.wait_group %0;", "// %0"),
    Mutant("no barrier", "barrier(", "__syncthreads();", ""),
    Mutant("halves of a pair exchanged", "narrow_pair(", '"f"(high), "f"(low)', '"f"(low), "f"(high)'),
    Mutant("shared memory begins elsewhere", "address_of(", "shared_memory + shared)", "shared_memory + shared + 8)"),
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutants_are_caught(nvcc, tmp_path, mutant):
    functions = compiled(tmp_path, mutant.tried, mutant)
    with pytest.raises((PtxError, AssertionError)) as caught:
        run_all(functions, mutant.tried)
    assert caught.type is not UnknownPtx  # that would be said of a right one too


def test_nothing_is_caught_where_nothing_is_wrong(nvcc, tmp_path):
    tried = first_of((*FLOAT16, *TF32, *LOADED))
    run_all(compiled(tmp_path, tried), tried)


def first_of(kernels: tuple[str, ...]) -> list[Spec]:
    """A case of each, not with K = 0."""
    found = {spec.kernel: spec for spec in reversed(SPECS) if spec.keep}
    return [found[kernel] for kernel in kernels]


def run_all(functions: dict[str, Function], specs: list[Spec]) -> None:
    for spec in specs:
        interpreter.run(spec.build(), functions)


def compiled(folder: Path, specs: list[Spec], mutant: Mutant | None = None) -> dict[str, Function]:
    """PTX of the kernels of some cases, with a mutant."""
    shutil.copytree(SOURCE.parent, folder / "cuda")
    header, source = folder / "cuda" / "device.h", folder / "cuda" / SOURCE.name
    if mutant:
        header.write_text(mutant.apply(header.read_text()))
    wanted = {each.kernel for spec in specs for each in spec.build().launches}
    other = re.compile(rf"^CCT_KERNEL\((?!({'|'.join(wanted)}),).*?\}}\n(?=CCT_KERNEL|\n)", re.DOTALL | re.MULTILINE)
    text = other.sub("", source.read_text())
    assert text.count("CCT_KERNEL(") == len(wanted)
    source.write_text(text)
    return parse(compile_kernels("compute_80", source).path.read_text())
