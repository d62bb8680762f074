import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cct.checkpoint.load_model import load_model
from cct.errors import CheckpointError
from cct.model_source import ModelSource
from cct.models import MODELS

SHARED = Path(os.environ.get("CCT_SHARED", Path(__file__).parents[3] / "shared"))
PUBLIC = SHARED / "data" / "resnet20-12fca82f.th"
RESNET = "cct.models:resnet20"


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "net.backbone."])
def test_prefixes_of_wrappers_come_off(net: nn.Module, save: Any, same: Any, prefix: str) -> None:
    path = save({f"{prefix}{name}": tensor for name, tensor in net.state_dict().items()})
    assert same(load_model(ModelSource(path, RESNET)).module, net)


def test_parts_that_were_compiled_and_averages(net: nn.Module, save: Any, same: Any) -> None:
    compiled = {name.replace("layer1.", "layer1._orig_mod."): t for name, t in net.state_dict().items()}
    assert same(load_model(ModelSource(save(compiled), RESNET)).module, net)
    averaged = torch.optim.swa_utils.AveragedModel(net).state_dict()
    assert same(load_model(ModelSource(save(averaged), RESNET)).module, net)


def test_names_that_begin_with_module_are_the_networks_own(tmp_path: Path, save: Any) -> None:
    (tmp_path / "wrapped.py").write_text(
        "from torch import nn\n"
        "class Wrapped(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.module = nn.Linear(2, 2)\n"
    )
    arch = f"{tmp_path / 'wrapped.py'}:Wrapped"
    weights = {"module.weight": torch.ones(2, 2), "module.bias": torch.ones(2)}
    for content in (weights, {f"module.{name}": tensor for name, tensor in weights.items()}):
        assert load_model(ModelSource(save(content), arch)).module.state_dict()["module.bias"].sum() == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(net: nn.Module, save: Any, dtype: torch.dtype) -> None:
    given = {name: t.to(dtype) if t.is_floating_point() else t for name, t in net.state_dict().items()}
    module = load_model(ModelSource(save(given), RESNET)).module
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert all(torch.equal(t, given[name].to(t.dtype)) for name, t in module.state_dict().items())


def test_old_checkpoints_lack_batch_counters(net: nn.Module, save: Any, same: Any) -> None:
    old = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert same(load_model(ModelSource(save(old), RESNET)).module, net)


@pytest.mark.skipif(not PUBLIC.exists(), reason="needs the public checkpoint (CCT_SHARED)")
def test_the_public_checkpoint() -> None:
    loaded = load_model(ModelSource(PUBLIC, RESNET))
    assert loaded.sha256.startswith("12fca82f")
    assert loaded.module.get_parameter("linear.weight").shape == (10, 64)
    assert loaded.mean is None


def test_names_that_do_not_fit(net: nn.Module, save: Any, refused: Any) -> None:
    weights = net.state_dict()
    lacking = {name: tensor for name, tensor in weights.items() if not name.startswith("layer1.")}
    assert "it lacks layer1.0.conv1.weight, layer1.0.bn1.weight, layer1.0.bn1.bias and 27 more; check" in refused(
        save(lacking)
    )
    assert "it has fc.weight too many" in refused(save(weights | {"fc.weight": torch.zeros(1)}))
    strange = {"a.weight": torch.zeros(1), "b\n.weight": torch.zeros(1)}
    assert "has a.weight, b\\n.weight too many" in refused(save(strange))


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("bn1.bias", torch.full((16,), float("nan")), "bn1.bias holds NaN or infinity"),
        ("bn1.bias", torch.full((16,), 1e300, dtype=torch.float64), "bn1.bias holds NaN or infinity"),
        ("bn1.bias", torch.zeros(16, dtype=torch.uint8), "bn1.bias is uint8, quantized perhaps"),
        ("bn1.bias", torch.zeros(16, dtype=torch.complex64), "bn1.bias is no plain dense tensor"),
        ("bn1.bias", torch.zeros(16).to_sparse(), "bn1.bias is no plain dense tensor"),
        ("bn1.bias", torch.zeros(16, device="meta"), "bn1.bias is no plain dense tensor"),
        ("bn1.bias", torch.zeros(1).expand(10**9, 10**9), "bn1.bias has the shape [1000000000, 1000000000], the"),
        ("conv1.weight", torch.zeros(16, 1, 3, 3), "conv1.weight has the shape [16, 1, 3, 3], the network wants [16,"),
    ],
)
def test_values_that_do_not_fit(
    net: nn.Module, save: Any, refused: Any, name: str, tensor: torch.Tensor, message: str
) -> None:
    assert message in refused(save(net.state_dict() | {name: tensor}))


SMALL = ("float4_e2m1fn_x2", "float8_e8m0fnu", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "bits8", "uint16")


@pytest.mark.parametrize("name", SMALL)
def test_types_that_pytorch_can_only_keep(net: nn.Module, save: Any, name: str) -> None:
    """The weights, or one line."""
    dtype = getattr(torch, name)
    tensor = torch.full((16 * dtype.itemsize,), 0x38, dtype=torch.uint8).view(dtype)
    path = save(net.state_dict() | {"bn1.bias": tensor})
    line = f"bn1.bias is {name}, "
    try:
        loaded = load_model(ModelSource(path, RESNET)).module
    except CheckpointError as error:
        line = str(error)
    else:
        assert torch.equal(loaded.state_dict()["bn1.bias"], tensor.float())
        assert dtype.is_floating_point
    assert f"bn1.bias is {name}, " in line


def test_nested_tensors(net: nn.Module, save: Any, refused: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, that they are a prototype
        path = save(net.state_dict() | {"bn1.bias": torch.nested.nested_tensor([torch.zeros(16)])})
    assert "calls torch._utils._rebuild_nested_tensor as no checkpoint needs to: save" in refused(path)


def test_another_number_of_classes_is_explained(tmp_path: Path, net: nn.Module, save: Any, refused: Any) -> None:
    path = save(net.state_dict())
    wanted = "has 10 classes (linear.weight), the network 7: add --arch-arg num_classes=10"
    assert wanted in refused(path, arch_args={"num_classes": 7})
    (tmp_path / "net.py").write_text(
        "from cct.models import resnet20\n"
        "def fixed(): return resnet20(3)\n"
        "def named(n_classes=3): return resnet20(n_classes)\n"
        "def any(**options): return resnet20(3)\n"
    )
    assert "the network 3: name a factory in --arch that makes 10" in refused(path, f"{tmp_path / 'net.py'}:fixed")
    assert "the network 3: add --arch-arg n_classes=10" in refused(path, f"{tmp_path / 'net.py'}:named")
    assert "the network 3: add --arch-arg num_classes=10" in refused(path, f"{tmp_path / 'net.py'}:any")
    assert "the network wants" in refused(path, "cct.models:resnet20", arch_args={"in_channels": 1})


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "densenet121", "mobilenet_v2"])
def test_classes_of_torchvisions_networks(name: str, save: Any, refused: Any) -> None:
    import torchvision

    path = save(torchvision.models.get_model(name, num_classes=5).state_dict())
    message = refused(path, f"torchvision.models:{name}")
    assert "has 5 classes" in message
    assert "the network 1000: add --arch-arg num_classes=5" in message


def test_heads_that_are_for_training_alone(save: Any, refused: Any) -> None:
    import torchvision

    google = "torchvision.models:googlenet"
    small = {"num_classes": 2, "init_weights": False}
    whole = torchvision.models.googlenet(**small)
    bare = {name: t for name, t in whole.state_dict().items() if not name.startswith("aux")}
    images = torch.zeros(1, 3, 64, 64)
    without = small | {"aux_logits": False}
    for content, arguments in ((whole.state_dict(), small), (whole.state_dict(), without), (bare, without)):
        loaded = load_model(ModelSource(save(content), google, arguments))
        assert torch.allclose(loaded.module(images), whole.eval()(images))
    assert "no auxiliary classifiers: add --arch-arg aux_logits=False" in refused(save(bare), google, arch_args=small)


def test_weights_out_of_a_cuda_run(net: nn.Module, save: Any, same: Any, forge: Any) -> None:
    path = forge(save(net.state_dict()), b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:1")
    assert same(load_model(ModelSource(path, RESNET)).module, net)


def test_models_are_all_explained() -> None:
    from cct.checkpoint.build_network import build_known

    assert all("num_classes" in build_known(key, {}).takes for key in MODELS)
