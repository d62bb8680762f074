"""Faults planted in the kernels, to see that the tests find them: each a change of text that is there once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.native.cuda.emulation import DEVICE_SOURCES
from tests.native.cuda.launch import FOLDER


@dataclass(frozen=True)
class Mutant:
    """One fault."""

    name: str
    file: str
    old: str
    new: str
    kernels: str  # whose cases find it: a regular expression for the start of their names
    found: str  # what the emulator says of it, a regular expression

    def write(self, folder: Path) -> None:
        """The kernels with the fault, in cuda/ of the folder."""
        (folder / "cuda").mkdir(parents=True)
        for name in DEVICE_SOURCES:
            source = (FOLDER / name).read_text()
            if name == self.file:
                assert source.count(self.old) == 1, f"{self.name}: {source.count(self.old)} places in {name}"
                source = source.replace(self.old, self.new)
            (folder / "cuda" / name).write_text(source)


GATHER, HALO, POINTWISE, PLAIN = "cct_gather", "cct_halo", "cct_pointwise", "cct_plain"
TF32, TF32_HALO, TF32_POINTWISE = r"cct_gather_\w+_tf32", r"cct_halo_\w+_tf32", r"cct_pointwise_\w+_tf32"
RACE = "race in shared memory|read of undefined shared memory"
FLIGHT = "shared access while a copy is in flight"
STUCK = f"barrier that a thread never reaches|threads wait|{RACE}"
WRONG = "outputs are wrong"
BOUNDS = f"global access out of bounds|not aligned|which is for the other|written twice|{WRONG}"  # by what lies there
CONFLICTS = ""  # nothing: it shows in the counters


def planted(file: str, kernels: str, *faults: tuple[str, str, str, str]) -> list[Mutant]:
    """Faults of a file: name, what is found, old text, new text."""
    return [Mutant(name, file, old, new, kernels, found) for name, found, old, new in faults]


MUTANTS = [
    *planted(
        "gather.h",
        GATHER,
        ("gather-no-barrier", RACE, "    barrier();  // the slab is here", "    // the slab is here"),
        ("gather-waits-for-less", FLIGHT, "wait_copies<tile.stages - 2>", "wait_copies<tile.stages - 1>"),
        ("gather-uses-half-a-table", RACE, "  barrier();\n\n  // The next slab", "\n  // The next slab"),
        ("gather-no-padding", BOUNDS, "inside[i] >> step.y & 1", "inside[i] != 0"),
        ("gather-commits-only-loads", FLIGHT, "    }\n    commit_copies();", "    commit_copies(); }"),
        ("gather-some-at-barrier", STUCK, "    barrier();  // the slab", "    if (inside[0]) barrier();  // the slab"),
        ("gather-beyond-the-last", BOUNDS, "return pixel < pixel_count ?", "return pixel >= 0 ?"),
        ("gather-rows-for-columns", BOUNDS, "tap.x * arguments.width + tap.y,", "tap.y * arguments.width + tap.x,"),
        ("gather-one-stride", WRONG, "out_width * arguments.stride[1]", "out_width * arguments.stride[0]"),
    ),
    *planted(
        "slab_products.h",
        GATHER,
        ("weights-elsewhere", WRONG, "+ lane / 16 * 8, lane / 8 % 2)", "+ lane / 8 % 2 * 8, lane / 16)"),
        ("parts-overlap", BOUNDS, "* (block_z() + 1) / grid_z()", "* (block_z() + 1) / grid_z() + 1"),
        ("no-bank-swizzle", CONFLICTS, "(step ^ (row >> 1 & 3)) *", "step *"),
    ),
    *planted(
        "slab_products.h",
        TF32,
        ("tf32-weights-elsewhere", WRONG, "+ lane / 16 * 8, lane / 8 % 2)", "+ lane / 8 % 2 * 8, lane / 16)"),
        ("tf32-other-pixels", WRONG, "load_matrices(a[i], pixels(i))", "load_matrices(a[i], pixels(i) ^ 16)"),
        (
            "tf32-multiplied-as-float16",
            WRONG,
            "multiply_add<Number<kTile>>(sums[i][2 * j],",
            "multiply_add<Half>(sums[i][2 * j],",
        ),
        ("tf32-no-bank-swizzle", CONFLICTS, "(step ^ (row >> 1 & 3)) *", "step *"),
    ),
    *planted(
        "slab_products.h",
        TF32_HALO,
        (
            "halo-tf32-not-rounded",
            WRONG,
            "operand_of(load_shared<float>(pixels(i, q)))",
            "bits_of(load_shared<float>(pixels(i, q)))",
        ),
    ),
    *planted(
        "halo_tf32.h",
        TF32_HALO,
        ("halo-tf32-no-barrier", RACE, "    barrier();  // the slab is here", "    // the slab is here"),
        ("halo-tf32-waits-for-less", FLIGHT, "wait_copies<tile.stages - 2>", "wait_copies<tile.stages - 1>"),
        ("halo-tf32-uses-half-a-table", RACE, "  barrier();\n\n  // The next slab", "\n  // The next slab"),
        ("halo-tf32-steps-exchanged", WRONG, "(q / 2 ? right : left)", "(q / 2 ? left : right)"),
        ("halo-tf32-halves-exchanged", WRONG, "q % 2 * 32", "(1 - q % 2) * 32"),
        ("halo-tf32-reads-outside", BOUNDS, "inside && distance != kNoChannel", "distance != kNoChannel"),
        ("halo-tf32-padding-is-a-channel", BOUNDS, "inside && distance != kNoChannel", "inside"),
        ("halo-tf32-other-channels", WRONG, "lane % 4 * tile.halo_plane()", "lane / 8 * tile.halo_plane()"),
    ),
    *planted(
        "tiles.h",
        TF32_HALO,
        ("halo-tf32-no-bank-offset", CONFLICTS, "halo_pieces() * 16 + 32", "halo_pieces() * 16"),
    ),
    *planted(
        "pointwise.h",
        TF32_POINTWISE,
        ("pointwise-tf32-other-channels", WRONG, "q / 2 * kChunk<T>", "(1 - q / 2) * kChunk<T>"),
        ("pointwise-tf32-other-pixels", WRONG, "q % 2 * 8", "(1 - q % 2) * 8"),
        ("pointwise-tf32-no-bank-swizzle", CONFLICTS, "channel % 4 * 2", "0"),
    ),
    *planted(
        "tf32.h",
        TF32,
        ("tf32-cut-off", WRONG, "(bits + kLast / 2) & ~(kLast - 1)", "bits & ~(kLast - 1)"),
        ("tf32-not-rounded", WRONG, "(bits + kLast / 2) & ~(kLast - 1)", "bits"),
    ),
    *planted(
        "to_chunks.h",
        TF32,
        ("tf32-channels-of-float16", BOUNDS, "chunk * kChunk<T> + i", "chunk * kChunk<Half> + i"),
        ("tf32-in-half-a-chunk", WRONG, "words[i * kBytes / 4]", "words[i / 2]"),
    ),
    *planted(
        "pattern_conv.cu",
        TF32,
        ("tf32-chunks-of-float16", BOUNDS, "to_chunks<float>", "to_chunks<Half>"),
        ("tf32-tile-of-float16", BOUNDS, "gather<kGather128x128Tf32>", "gather<kGather128x128>"),
        ("float32-finished-as-float16", BOUNDS, "finish<float>", "finish<Half>"),
    ),
    *planted(
        "ending.h",
        TF32,
        (
            "float32-residual-as-float16",
            WRONG,
            "sums[i] += number_in<T>(words, i)",
            "sums[i] += number_in<Half>(words, i)",
        ),
    ),
    *planted(
        "ending.h",
        GATHER,
        ("sums-too-early", RACE, "    barrier();  // the pipeline's memory", "    // the pipeline's memory"),
        ("sums-read-too-early", RACE, "    barrier();\n    if (ending.partials)", "    if (ending.partials)"),
    ),
    *planted(
        "ending.h",
        HALO,
        ("residual-of-the-other-half", WRONG, "words[i / 2] >> i % 2 * 16", "words[i / 2] >> (1 - i % 2) * 16"),
    ),
    *planted(
        "halo.h",
        HALO,
        ("halo-no-barrier", RACE, "    barrier();  // slab s is transposed", "    // slab s is transposed"),
        ("halo-waits-for-less", FLIGHT, "wait_copies<tile.stages - 2>", "wait_copies<tile.stages - 1>"),
        ("halo-leaves-copies", FLIGHT, "  wait_copies<0>();\n", ""),
        ("halo-same-buffer", RACE, "transposing.store(other, half)", "transposing.store(transposed, half)"),
        ("halo-steps-in-order", WRONG, "row + (j % 2 * 2 + j / 2) * 4", "row + j * 4"),
        ("halo-reads-outside", BOUNDS, "inside[i] && channel >= 0", "channel >= 0"),
        ("halo-padding-is-a-channel", BOUNDS, "inside[i] && channel >= 0", "inside[i]"),
        ("halo-weights-beyond-the-last", BOUNDS, "!first && slab <= part.count", "!first"),
    ),
    *planted(
        "pointwise.h",
        POINTWISE,
        ("pointwise-no-barrier", RACE, "    barrier();  // the slab is here", "    // the slab is here"),
        ("pointwise-waits-for-less", FLIGHT, "wait_copies<tile.stages - 2>", "wait_copies<tile.stages - 1>"),
        ("pointwise-loads-too-early", f"{RACE}|{FLIGHT}", "load(stage_before);", "load(stage);"),
        ("pointwise-uses-half-a-table", RACE, "  barrier();\n\n  // The next slab", "\n  // The next slab"),
        ("pointwise-commits-only-loads", FLIGHT, "    }\n    commit_copies();", "    commit_copies(); }"),
        (
            "pointwise-one-slab-too-few",
            FLIGHT,
            "tile.table_bytes(tile.stages - 1)",
            "tile.table_bytes(tile.stages - 2)",
        ),
        ("pointwise-padding-is-a-channel", BOUNDS, "channel < 0 ? kNoChannel : channel *", "channel *"),
        ("pointwise-copies-beyond-the-last", BOUNDS, "arguments.plane ? pixel : 0", "arguments.plane ? pixel : pixel"),
        ("pointwise-beyond-the-last", BOUNDS, "return pixel < arguments.images * plane ?", "return pixel >= 0 ?"),
        ("pointwise-the-first-image", WRONG, "image * arguments.channels * arguments.plane", "0"),
        (
            "pointwise-channels-of-other-steps",
            WRONG,
            "step.x * kChunk<T> + of_slab % kChunk<T>",
            "step.x * kChunk<T> + i % kChunk<T>",
        ),
        ("pointwise-other-steps", WRONG, "lane / 16 * kChunk<T>", "(1 - lane / 16) * kChunk<T>"),
        ("pointwise-other-pixels", WRONG, "lane / 8 % 2)", "1 - lane / 8 % 2)"),
        ("pointwise-no-bank-swizzle", CONFLICTS, "channel % 8", "0"),
    ),
    *planted(
        "slab_products.h",
        POINTWISE,
        ("pointwise-not-transposed", WRONG, "== Way::kPointwise", "!= Way::kPointwise"),
    ),
    *planted(
        "to_chunks.h",
        GATHER,
        ("chunks-of-the-first-image", WRONG, "image * arguments.channels * arguments.plane", "0"),
    ),
    *planted(
        "finish.h",
        GATHER,
        ("finish-forgets-a-part", WRONG, "part < arguments.parts", "part < arguments.parts - 1"),
    ),
    *planted(
        "plain.h",
        PLAIN,
        ("plain-reads-outside", BOUNDS, "z < 0 || z >= arguments.width", "z >= arguments.width"),
    ),
]
