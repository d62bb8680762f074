from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

import cct
from cct.errors import CctError, UnsupportedModel
from cct.operator.spec import NAME, NAMES


def mask_by_hand(module: nn.Module, block: int = 4, keep: float = 0.4) -> nn.Module:
    """Prune every 3x3 convolution with more than 4 inputs: random patterns of 4, no ClickTrain."""
    rng = np.random.default_rng(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1, generator=torch.Generator().manual_seed(1))
            layer.running_var.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(2))
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3) and layer.in_channels > 4:
            outputs, inputs = layer.weight.shape[:2]
            taps = np.array([rng.permutation(9) < 4 for _ in range(outputs // block * inputs)])
            kept = taps & (rng.random((len(taps), 1)) < keep)
            kept = kept.reshape(-1, inputs, 9).repeat(block, 0)[rng.permutation(outputs)]
            layer.weight.data *= torch.from_numpy(kept.reshape(layer.weight.shape).astype(np.float32))
    return module.eval()


class Small(nn.Module):
    """A stem, a residual block with ReLU6, a transposed convolution, reflected padding, resizing, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.reflected = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        y = nn.functional.relu6(self.bn1(self.conv1(x)))
        y = torch.relu(self.conv2(y) + x)
        large = nn.functional.interpolate(self.up(self.reflected(y)), scale_factor=1.5, mode="bilinear")
        return large, y.mean((2, 3))


@pytest.fixture(scope="module")
def small() -> nn.Module:
    torch.manual_seed(0)
    return mask_by_hand(Small())


@pytest.fixture(scope="module")
def resnet18() -> nn.Module:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    return mask_by_hand(torchvision.models.resnet18(num_classes=10))


def relative(a, b):
    return abs(a - b).max() / abs(b).max()


@pytest.mark.parametrize("library", [True, False])
def test_weights_masked_by_hand_work_with_and_without_the_library(small, tmp_path, library):
    layers = cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / "m.onnx")
    reasons = {layer.name: layer.reason for layer in layers}
    assert [n for n, reason in reasons.items() if not reason] == ["conv1", "conv2", "reflected"]
    assert "transposed" in reasons["up"]
    session = cct.session(tmp_path / "m.onnx", library=library)
    for batch in (1, 3):  # the batch stays free
        x = torch.randn(batch, 3, 12, 12)
        with torch.no_grad():
            expected = small(x)
        for got, want in zip(session.run(None, {"input": x.numpy()}), expected, strict=True):
            assert relative(got, want.numpy()) < 1e-5


def test_residual_network_with_the_library(resnet18, tmp_path):
    layers = cct.export(resnet18, torch.randn(1, 3, 64, 64), tmp_path / "m.onnx")
    assert sum(layer.op == NAME for layer in layers) == 16
    proto = onnx.load(tmp_path / "m.onnx")
    assert sum(n.op_type == "Add" for n in proto.graph.node) == 0
    assert sum(n.op_type == "Relu" for n in proto.graph.node) == 1  # the stem's
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert relative(cct.session(tmp_path / "m.onnx").run(None, {"input": x.numpy()})[0], resnet18(x).numpy()) < 1e-5


@pytest.mark.parametrize("weights", ["float32", "float16"])
def test_without_the_library_a_residual_network_is_plain_fused_dense(resnet18, tmp_path, weights):
    cct.export(resnet18, torch.randn(1, 3, 64, 64), tmp_path / "m.onnx", weights=weights)
    cct.export(resnet18, torch.randn(1, 3, 64, 64), tmp_path / "dense.onnx", pack=False)
    operators = {}
    for name in ("m", "dense"):
        options = ort.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{name}.optimized.onnx")
        options.log_severity_level = 3
        cct.session(tmp_path / f"{name}.onnx", library=False, options=options)
        nodes = onnx.load(options.optimized_model_filepath).graph.node
        operators[name] = [(n.domain, n.op_type) for n in nodes]
    assert sorted(operators["m"]) == sorted(operators["dense"])
    assert not {"Add", "Relu", "ScatterElements"} & {op for _, op in operators["m"]}


# Of the largest output; rounding a number to float16 changes it by 2^-11 = 5e-4 of itself at most.
BOUNDS = {
    "weights": ({"weights": "float16"}, 2e-4),
    "activations": ({"activations": "float16"}, 1e-3),
    "both": ({"weights": "float16", "activations": "float16"}, 1e-3),
    "portable": ({"portable": True}, 1e-5),
    "portable, weights": ({"portable": True, "weights": "float16"}, 2e-4),
    "portable, activations": ({"portable": True, "activations": "float16"}, 1e-3),
    "dense activations": ({"pack": False, "activations": "float16"}, 1e-3),
}


@pytest.mark.parametrize("form", BOUNDS)
def test_every_form_of_the_file_agrees_with_torch(small, tmp_path, form):
    options, bound = BOUNDS[form]
    cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / "m.onnx", **options)
    x = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = small(x)
    for library in (True, False):
        session = cct.session(tmp_path / "m.onnx", library=library)
        assert {value.type for value in (*session.get_inputs(), *session.get_outputs())} == {"tensor(float)"}
        for got, want in zip(session.run(None, {"input": x.numpy()}), expected, strict=True):
            assert relative(got, want.numpy()) < bound


@pytest.mark.parametrize(
    ("options", "kind"), [({"weights": "float16"}, "float32"), ({"activations": "float16"}, "float16")]
)
def test_float16_weights_are_half_as_large(small, tmp_path, options, kind):
    full = cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / "m.onnx")
    half = cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / "m.onnx", **options)
    saved = [a.packed_bytes - b.packed_bytes for a, b in zip(full, half, strict=True)]
    assert saved == [2 * layer.stored for layer in half]
    proto = onnx.load(tmp_path / "m.onnx")
    oldest = {p.key: p.value for p in proto.metadata_props}["cct.minimum_onnxruntime"]
    assert oldest == ("1.23" if kind == "float16" else "1.18")
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    packed = [n for n in proto.graph.node if n.op_type in NAMES]
    assert len(packed) == 3
    assert {arrays[n.input[1]].dtype.name for n in packed} == {"float16"}
    assert {arrays[n.input[7]].dtype.name for n in packed} == {kind}
    kinds = {n.op_type: {arrays[i].dtype.name for i in n.input if i in arrays} for n in proto.graph.node}
    assert kinds["ConvTranspose"] == {kind}
    assert "float32" in kinds["Resize"]  # its scales, which ONNX has in float32 alone
    casts = [n.input[0] for n in proto.graph.node if n.op_type == "Cast"]
    assert len(casts) == (3 if kind == "float16" else 0)  # behind the input, before the two outputs


def test_a_portable_file_is_plain_onnx_for_any_runtime(small, tmp_path):
    layers = cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / "m.onnx", portable=True)
    proto = onnx.load(tmp_path / "m.onnx")
    assert not proto.functions
    assert [opset.domain for opset in proto.opset_import] == [""]
    assert {n.domain for n in proto.graph.node} == {""}
    assert not {n.op_type for n in proto.graph.node} & {"ScatterElements", "CastLike", "Gather", "Identity", "Constant"}
    assert {layer.name: layer.reason for layer in layers}["conv1"] == "the file is portable"
    assert not any(layer.packed_bytes for layer in layers)
    x = torch.randn(2, 3, 12, 12)
    got = onnx.reference.ReferenceEvaluator(proto).run(None, {"input": x.numpy()})
    with torch.no_grad():
        assert relative(got[1], small(x)[1].numpy()) < 1e-5


@pytest.mark.parametrize(
    ("options", "layer"),
    [({"weights": "float16"}, "conv2"), ({"activations": "float16"}, "conv2"), ({"activations": "float16"}, "stem")],
)
def test_a_weight_beyond_float16_is_refused_by_name(tmp_path, options, layer):
    module = mask_by_hand(Small())
    weight = getattr(module, layer).weight.data
    weight[tuple(torch.nonzero(weight)[0])] = 70000
    message = rf"{layer}\S* holds 70000, beyond float16's 65504: export it with float32"
    with pytest.raises(UnsupportedModel, match=message) as caught:
        cct.export(module, torch.randn(1, 3, 12, 12), tmp_path / "m.onnx", **options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["weights", "activations"])
def test_a_precision_that_does_not_exist_is_refused(small, tmp_path, option):
    with pytest.raises(CctError, match=f"{option} is 'fp16': it must be float32 or float16"):
        cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / "m.onnx", **{option: "fp16"})


def test_the_file_says_what_it_is_and_nothing_of_the_machine(small, tmp_path):
    cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / "m.onnx", metadata={"recipe": "compression = 4"})
    content = (tmp_path / "m.onnx").read_bytes()
    for path in (Path.home(), Path.cwd(), Path(torch.__file__).parents[1], Path(__file__).parent):
        assert str(path).encode() not in content
    proto = onnx.load_from_string(content)
    assert proto.producer_name == "cct"
    properties = {p.key: p.value for p in proto.metadata_props}
    assert properties == {
        "cct.version": cct.__version__,
        "cct.minimum_onnxruntime": "1.18",
        "cct.packed": "3",
        "cct.recipe": "compression = 4",
    }
    shaped = {v.name for v in [*proto.graph.value_info, *proto.graph.output]}
    assert {name for n in proto.graph.node for name in n.output} <= shaped
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert not any(n.metadata_props or n.doc_string for n in proto.graph.node)


def test_the_same_module_gives_the_same_bytes(small, tmp_path):
    for name in ("a", "b"):
        cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / f"{name}.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_file_that_can_not_be_written_leaves_nothing(small, tmp_path):
    with pytest.raises(CctError, match="can't be written"):
        cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / "missing" / "m.onnx")
    (tmp_path / "taken.onnx").mkdir()
    with pytest.raises(CctError, match="can't be written"):
        cct.export(small, torch.randn(1, 3, 12, 12), tmp_path / "taken.onnx")
    assert os.listdir(tmp_path) == ["taken.onnx"]


def test_weights_that_no_onnx_file_holds_are_refused_at_once(tmp_path):
    module = torch.nn.Linear(2**16, 2**14, device="meta")
    with pytest.raises(UnsupportedModel, match=r"weights take 4\.3 GB: one ONNX file holds at most 2 GB"):
        cct.export(module, torch.zeros(1, 2**16), tmp_path / "m.onnx")
