"""`--target`: what a file for a GPU is made of, and what the report says."""

from __future__ import annotations

import json

import onnx
import pytest

from cct.recipe.recipe import Recipe
from cct.recipe.target import TARGETS
from tests.support.process import MODEL

pytestmark = pytest.mark.usefixtures("one_thread")

CUDA = TARGETS["cuda"]


def compress(call, *given):
    """A dry run on the digits: blocks as coarse as a GPU's reach less on so few channels."""
    return call("compress", MODEL, "--data", "digits", "--dry-run", "--compression", 3, *given)


def test_cuda_stands_for_float16_and_a_coarse_block(call, tmp_path):
    code, out, _ = compress(call, "--target", "cuda", "--json", "--save-recipe", tmp_path / "r.toml")
    assert code == 0
    told = json.loads(out)
    knobs = told["recipe"]
    assert (knobs["target"], tuple(knobs["block"])) == ("cuda", CUDA.block)
    assert (knobs["weights"], knobs["activations"]) == ("float16", "float16")
    assert max(told["parity"].values()) < 2e-2  # over all images 1.2e-2
    assert told["proven"] == 4
    saved = Recipe.from_toml((tmp_path / "r.toml").read_text())
    assert (saved.target, saved.block) == ("cuda", CUDA.block)


def test_what_the_user_says_goes_before_it_and_the_report_tells(call):
    code, out, _ = compress(call, "--target", "cuda", "--block", "32x8", "--activations", "float32")
    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("target"))
    assert line.startswith(
        "target       cuda: float16 weights, float32 activations, block 32x8; the speed is this CPU's"
    )


def test_cpu_needs_no_line(call):
    code, out, _ = compress(call, "--target", "cpu", "--epochs", 0)
    assert code == 0
    assert "\ntarget" not in out


def test_export_takes_the_types_of_the_target(pruned, tmp_path, call):
    model = pruned / "small.pt", "--arch", f"{pruned / 'net.py'}:small", "--size", "16"
    for given, types in (
        (("--target", "cuda"), {"weights": "float16", "activations": "float16"}),
        (("--target", "cuda", "--activations", "float32"), {"weights": "float16", "activations": "float32"}),
        (("--target", "cpu"), {"weights": "float32", "activations": "float32"}),
    ):
        code, out, err = call("export", *model, *given, "-o", tmp_path / "m.onnx", "--json")
        assert (code, err) == (0, "")
        told = json.loads(out)
        assert (told["target"], told["types"]) == (given[1], types)


def test_export_keeps_the_block_in_the_recipe(compressed, tmp_path, call):
    code, out, err = call("export", compressed / "m.pt", "--target", "cuda", "-o", tmp_path / "m.onnx")
    assert (code, err) == (0, "")
    assert "target       cuda" in out
    stated = {p.key: p.value for p in onnx.load(tmp_path / "m.onnx").metadata_props}
    recipe = Recipe.from_toml(stated["cct.recipe"])
    assert (recipe.target, recipe.weights, recipe.activations) == ("cuda", "float16", "float16")
    assert recipe.block == (4, 1)  # of the weights, whatever they are for


def test_measured_speed_is_that_of_this_cpu(call):
    code, out, err = compress(call, "--target", "cuda", "--keep-faster")
    assert (code, out) == (2, "")
    assert "--keep-faster measures this CPU, and the file is for cuda" in err
