"""The cheats that the gate must stop: forged files, and forged surroundings of a good one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from cct.data.load_data import load_data
from cct.exporter.export import export
from cct.model_source import ModelSource
from cct.models import digits_net
from tests.support.forged_models import (
    Forgery,
    answer,
    bodies,
    branching,
    dead_packed,
    inlined,
    metadata,
    output_shape,
    outside_constants,
    question,
    second_output,
    unheard_packed,
    weights,
    with_value,
)
from tests.support.process import MODEL

NAN, INF, F32 = np.float32(np.nan), np.float32(np.inf), np.float32
ACCURATE = "accuracy:threshold=95"


@dataclass
class Cheat:
    """A forged file, or forged surroundings of a good one.

    Attributes:
        said: what the one line that fails or refuses it must hold, a regular expression.
        forgeries: of the file.
        goals: that are given; what fails without any is given none.
        given: further arguments of `validate`, made in a folder.
    """

    said: str
    forgeries: tuple[Any, ...] = ()
    goals: tuple[str, ...] = (ACCURATE,)
    given: Callable[[Path, Path], dict[str, Any]] = field(default=lambda folder, compressed: {})


def like_parity(folder: Path, compressed: Path) -> dict[str, Any]:
    return {"pruned": ModelSource(compressed / "m.pt")}


def checkpoint(folder: Path, **changes: Any) -> Path:
    torch.save(torch.load(MODEL, weights_only=True) | changes, folder / "w.pt")
    return folder / "w.pt"


def other_weights(folder: Path, value: float | None = None) -> Path:
    torch.manual_seed(1)
    state = digits_net().state_dict() if value is None else torch.load(MODEL, weights_only=True)["state_dict"]
    if value is not None:
        state["linear.bias"][3] = value
    return checkpoint(folder, state_dict=state)


def arrays(folder: Path, keep: Callable[[np.ndarray], np.ndarray]) -> str:
    """The digits as an .npz, with those validation images whose labels `keep` chooses."""
    digits = load_data("digits", mean=[0.0], std=[1.0])
    content: dict[str, Any] = {"classes": np.array(list("0123456789"))}
    for name, split in (("train", digits.train), ("val", digits.val)):
        images, labels = split.__getitems__(list(range(len(split))))
        chosen = keep(labels.numpy()) if name == "val" else np.ones(len(labels), bool)
        content |= {f"x_{name}": images.numpy()[chosen], f"y_{name}": labels.numpy()[chosen]}
    np.savez(folder / "d.npz", **content)
    return str(folder / "d.npz")


def bare_baseline(folder: Path, compressed: Path) -> dict[str, Any]:
    """Weights alone, which say nothing of mean and std."""
    torch.save(torch.load(MODEL, weights_only=True)["state_dict"], folder / "bare.pt")
    return {"baseline": ModelSource(folder / "bare.pt", arch="cct.models:digits_net")}


def baseline(make: Callable[[Path, Path], Path]) -> Callable[[Path, Path], dict[str, Any]]:
    return lambda folder, compressed: {"baseline": ModelSource(make(folder, compressed))}


def copy_of_the_file(folder: Path, compressed: Path) -> Path:
    return Path(shutil.copy(folder / "f.onnx", folder / "other.onnx"))


def retold(folder: Path, compressed: Path) -> Path:
    proto = onnx.load(folder / "f.onnx")
    proto.doc_string = proto.graph.node[0].doc_string = "another one"
    onnx.save(proto, folder / "other.onnx")
    return folder / "other.onnx"


def overflowing(folder: Path, compressed: Path) -> Path:
    """Finite weights whose answers are not."""
    state = torch.load(MODEL, weights_only=True)["state_dict"]
    state["linear.weight"] *= 1e38
    return checkpoint(folder, state_dict=state)


def onnx_baseline(folder: Path, compressed: Path) -> Path:
    export(digits_net(), torch.zeros(1, 1, 32, 32), folder / "b.onnx", pack=False)
    return folder / "b.onnx"


def nan_baseline(folder: Path, compressed: Path) -> Path:
    proto = onnx.load(compressed / "m.onnx")
    weights(with_value(np.nan), "linear.bias")(proto)
    onnx.save(proto, folder / "b.onnx")
    return folder / "b.onnx"


def on_one_image(output: str, value: np.float32, position: int) -> Forgery:
    """Another answer to one validation image, known by its mean."""
    return answer(
        "m = ReduceMean (input, axes) d = Sub (m, known) a = Abs (d) b = Less (a, near) bad = Squeeze (b, last) "
        f"{output} = Where (bad, odd, logits)",
        axes=np.array([1, 2, 3]),
        last=np.array([2, 3]),
        known=load_data("digits").val[position][0].mean().numpy().astype(F32),
        near=F32(1e-7),
        odd=value,
    )


ANSWERS = "NaN or infinity"
CHEATS = {
    # answers that are no numbers
    "NaN everywhere": Cheat(f"{ANSWERS} for 596 of 596", (answer("output = Mul (logits, odd)", odd=NAN),), ()),
    "NaN on one image": Cheat(
        f"{ANSWERS} for 1 of 596",
        (on_one_image("output", NAN, 300),),
        (),
    ),
    "infinity everywhere": Cheat(ANSWERS, (answer("output = Add (logits, odd)", odd=INF),), ()),
    "a class masked by -infinity": Cheat(
        ANSWERS, (answer("output = Add (logits, odd)", odd=np.array([-INF] + 9 * [F32(0)])),), ()
    ),
    "NaN in a second output": Cheat(ANSWERS, (second_output("more = Mul (output, odd)", odd=NAN),), ()),
    "NaN in a weight": Cheat(ANSWERS, (weights(with_value(np.nan), "linear.bias"),), ()),
    "NaN in a packed weight": Cheat(ANSWERS, (weights(with_value(np.nan), "block1.conv1.W"),), ()),
    "infinity in a weight": Cheat(ANSWERS, (weights(with_value(np.inf), "linear.weight"),), ()),
    "overflow of float16": Cheat(
        ANSWERS,
        (answer("l = Mul (logits, big) h = Cast <to: int = 10> (l) output = Cast <to: int = 1> (h)", big=F32(1e4)),),
        (),
    ),
    "overflow of float32": Cheat(ANSWERS, (answer("l = Mul (logits, big) output = Mul (l, big)", big=F32(1e25)),), ()),
    # answers that have nothing to do with the images
    "input ignored": Cheat("accuracy is", (question("asked = Mul (input, none)", none=F32(0)),)),
    "one answer to all": Cheat(
        "accuracy is",
        (answer("l = Mul (logits, none) output = Add (l, always)", none=F32(0), always=np.eye(10, dtype=F32)[3]),),
    ),
    "all zeros": Cheat("accuracy is", (answer("output = Mul (logits, none)", none=F32(0)),)),
    "classes permuted": Cheat(
        "accuracy is", (answer("output = Gather <axis: int = 1> (logits, order)", order=np.arange(10)[::-1].copy()),)
    ),
    "sign turned": Cheat("accuracy is", (answer("output = Neg (logits)"),)),
    "answers of the image before": Cheat(
        "accuracy is",
        (
            answer(
                "r = Slice (logits, a, b, z) s = Slice (logits, b, c, z) output = Concat <axis: int = 0> (s, r)",
                a=np.array([0]),
                b=np.array([1]),
                c=np.array([1 << 30]),
                z=np.array([0]),
            ),
        ),
    ),
    "colours inverted": Cheat("accuracy is", (question("asked = Neg (input)"),)),
    "an offset that eats the digits": Cheat("accuracy is", (answer("output = Add (logits, big)", big=F32(1e9)),)),
    "weights of no training": Cheat("accuracy is", (weights(lambda w: w[::-1].copy(), "linear.weight"),)),
    # answers of another form
    "a class less": Cheat(
        "answers .9.*; digits has 10",
        (
            answer("output = Slice (logits, a, b, c)", a=np.array([0]), b=np.array([9]), c=np.array([1])),
            output_shape("n", 9),
        ),
    ),
    "a class more": Cheat(
        "answers .11.*; digits has 10",
        (
            answer(
                "s = Slice (logits, a, b, c) output = Concat <axis: int = 1> (logits, s)",
                a=np.array([0]),
                b=np.array([1]),
                c=np.array([1]),
            ),
            output_shape("n", 11),
        ),
    ),
    "the class alone": Cheat(
        "digits has 10",
        (
            answer("a = ArgMax <axis: int = 1, keepdims: int = 0> (logits) output = Cast <to: int = 1> (a)"),
            output_shape("n"),
        ),
    ),
    "text": Cheat("refuses|must answer numbers|no valid ONNX", (answer("output = Cast <to: int = 8> (logits)"),)),
    # answers that depend on how they are asked
    "noise": Cheat(
        "may draw random numbers",
        (answer("r = RandomNormalLike <scale: float = 0.01> (logits) output = Add (logits, r)"),),
        (),
    ),
    "mean of the batch taken off": Cheat(
        "against one by one", (answer("m = ReduceMean (logits, z) output = Sub (logits, m)", z=np.array([0])),), ()
    ),
    "one answer to an image alone": Cheat(
        "against one by one",
        (
            answer(
                "s = Shape <start: int = 0, end: int = 1> (input) c = Greater (s, one) k = Cast <to: int = 1> (c) "
                "output = Mul (logits, k)",
                one=np.array([1]),
            ),
        ),
        (),
    ),
    "right answers to large batches alone": Cheat(
        "against accuracy",
        (
            answer(
                "s = Shape <start: int = 0, end: int = 1> (input) c = Greater (s, few) k = Cast <to: int = 1> (c) "
                "output = Mul (logits, k)",
                few=np.array([16]),
            ),
        ),
        (),
    ),
    "a time bomb": Cheat(
        "may draw random numbers",
        (
            answer(
                "r = RandomUniformLike <seed: float = 1.0> (logits) output = Where (b, logits, r)", b=np.array([True])
            ),
        ),
        (),
    ),
    "another path for one image alone": Cheat("branches", (branching,), ()),
    "an offset behind which one image alone is answered wrongly": Cheat(
        "against one by one",
        (
            answer(
                "s = Shape <start: int = 0, end: int = 1> (input) c = Greater (s, one) k = Cast <to: int = 1> (c) "
                "t = Mul (k, two) f = Sub (t, unit) l = Mul (logits, f) output = Add (l, big)",
                one=np.array([1]),
                two=F32(2),
                unit=F32(1),
                big=F32(2e5),
            ),
        ),
        (),
    ),
    # the library and the rest of the world see different networks
    "function bodies that say something else": Cheat("against body", (bodies("Y = Add (true_Y, true_Y)"),), ()),
    "likewise, behind a masked class": Cheat(
        "against body",
        (bodies("Y = Add (true_Y, true_Y)"), answer("output = Add (logits, m)", m=np.array([-1e9] + 9 * [0], F32))),
        (),
    ),
    "likewise, behind nine masked classes": Cheat(
        "against body",
        (bodies("Y = Add (true_Y, true_Y)"), answer("output = Add (logits, m)", m=np.array([0] + 9 * [-1e9], F32))),
        (),
    ),
    "likewise, behind one image of 1e9": Cheat(
        "against body", (bodies("Y = Add (true_Y, true_Y)"), on_one_image("output", F32(1e9), 300)), ()
    ),
    "function bodies that answer NaN": Cheat("against body", (bodies("n = Sub (true_Y, true_Y) Y = Div (n, n)"),), ()),
    # other weights than those that are shown
    "stale checkpoint": Cheat("against torch", (), (), given=lambda f, c: {"pruned": ModelSource(MODEL)}),
    "untrained checkpoint": Cheat(
        "against torch", (), (), given=lambda f, c: {"pruned": ModelSource(other_weights(f))}
    ),
    "a weight changed by a tenth": Cheat(
        "against torch", (weights(lambda w: w * F32(1.1), "block2.conv2.W"),), (), given=like_parity
    ),
    "other weights behind a masked class": Cheat(
        "against torch", (answer("output = Add (logits, m)", m=np.array([-1e9] + 9 * [0], F32)),), (), given=like_parity
    ),
    "huge logits": Cheat("against torch", (answer("output = Mul (logits, m)", m=F32(1e20)),), (), given=like_parity),
    "whole numbers": Cheat(
        "against torch", (answer("r = Round (logits) output = Identity (r)"),), (), given=like_parity
    ),
    "checkpoint with NaN": Cheat(
        "holds NaN or infinity", (), (), given=lambda f, c: {"pruned": ModelSource(other_weights(f, float("nan")))}
    ),
    # what the file says of its images
    "another mean": Cheat("accuracy is", (metadata(mean="-3"),)),
    "another std": Cheat("accuracy is", (metadata(std="40"),)),
    "another mean, which the baseline is to share": Cheat(
        r"accuracy is .*, the baseline's 98\.99 %",
        (metadata(mean="-3"),),
        ("accuracy:max-degradation=1",),
        given=baseline(lambda f, c: MODEL),
    ),
    "another mean, and a baseline that does not say its own": Cheat(
        "does not say its mean.*give --mean and --std",
        (metadata(mean="-3"),),
        ("accuracy:max-degradation=1",),
        given=bare_baseline,
    ),
    "mean in words": Cheat("cct.mean is grey, not numbers", (metadata(mean="grey"),)),
    "mean of NaN": Cheat("cct.mean is nan, not numbers", (metadata(mean="nan"),)),
    "std of zero": Cheat("std must be above 0", (metadata(std="0"),)),
    "mean of another number of channels": Cheat("mean has 3 numbers", (metadata(mean="0.5 0.5 0.5"),)),
    "classes in another order": Cheat("is for the classes 9, 8", (metadata(classes="\n".join("9876543210")),)),
    "other classes": Cheat("is for the classes a, b", (metadata(classes="\n".join("abcdefghij")),)),
    # nothing of the library
    "operators that were taken out": Cheat("the file has 0 PatternConv, its metadata promises '4'", (inlined,), ()),
    "a promise that is no number": Cheat("its metadata promises '４'", (metadata(packed="４"),), ()),
    "no operators, no promise": Cheat(
        "0 PatternConv ran, 4 are required",
        (inlined, metadata(packed=None)),
        (),
        given=lambda f, c: {"require_packed": 4},
    ),
    "fewer operators than required": Cheat(
        "4 PatternConv ran, 5 are required", (), (), given=lambda f, c: {"require_packed": 5}
    ),
    "operators that nobody reads": Cheat("4 of 4 PatternConv reach no output", (dead_packed,), ()),
    "operators whose answer is multiplied by next to nothing": Cheat("no say", (unheard_packed,), ()),
    "a promise of 5000 digits": Cheat("its metadata promises", (metadata(packed="9" * 5000),), ()),
    "a constant answer where most images are of one class": Cheat(
        "near chance",
        (answer("l = Mul (logits, none) output = Add (l, always)", none=F32(0), always=np.eye(10, dtype=F32)[3]),),
        ("accuracy:threshold=90",),
        given=lambda f, c: {"data": arrays(f, lambda y: (y == 3) | (np.cumsum(y != 3) <= 3))},
    ),
    "somebody else's file": Cheat(
        "was not made by cct", (inlined, lambda proto: proto.ClearField("metadata_props")), ()
    ),
    # what it is compared with
    "itself as the baseline": Cheat(
        "is the model itself", (), ("accuracy:max-degradation=1",), given=baseline(lambda f, c: f / "f.onnx")
    ),
    "a copy of itself as the baseline": Cheat(
        "is the model itself", (), ("size:max-degradation=1",), given=baseline(copy_of_the_file)
    ),
    "itself with another text as the baseline": Cheat(
        "is the model itself", (), ("size:max-degradation=1",), given=baseline(retold)
    ),
    "the pruned weights as the baseline": Cheat(
        "is what --parity names",
        (),
        ("accuracy:max-degradation=1",),
        given=lambda f, c: {"baseline": ModelSource(c / "m.pt"), "pruned": ModelSource(c / "m.pt")},
    ),
    "a size in words": Cheat("cct.size is 32 -5", (metadata(size="32 -5"),)),
    "a baseline near chance": Cheat(
        "near chance", (), ("accuracy:max-degradation=1",), given=baseline(lambda f, c: other_weights(f))
    ),
    "an ONNX baseline near chance": Cheat(
        "near chance", (), ("accuracy:max-degradation=1",), given=baseline(onnx_baseline)
    ),
    "a baseline that answers NaN": Cheat(
        "NaN or infinity for 596 of 596 images of digits",
        (),
        ("accuracy:max-degradation=1",),
        given=baseline(overflowing),
    ),
    "an ONNX baseline that answers NaN": Cheat(
        "NaN or infinity for 596 of 596 images of digits",
        (),
        ("accuracy:max-degradation=1",),
        given=baseline(nan_baseline),
    ),
    "no baseline": Cheat("needs --baseline", (), ("accuracy:max-degradation=1",)),
    # images that tell nothing
    "no validation images": Cheat("x_val has the shape", given=lambda f, c: {"data": arrays(f, lambda y: y < 0)}),
    "images of one class": Cheat("are of one class", given=lambda f, c: {"data": arrays(f, lambda y: y == 3)}),
    # the size
    "weights in another file": Cheat("in other files", (outside_constants,), ()),
    "weights of a plain file in another one": Cheat(
        "size is", (inlined, metadata(packed="0"), outside_constants), ("size:threshold=0.4",)
    ),
}
