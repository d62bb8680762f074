"""What float16 saves and costs: sizes and errors of every type on ResNet-18 at 224x224. No speed.

    python -m benchmarks.networks.float16

Weights are random, masks are random: density 1/8 in blocks of 4x1 on the sixteen 3x3 convolutions. Errors are
max|a - b| / max|b| of the library against float32 torch, over the logits of eight random images.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
import torchvision

import cct
from benchmarks.networks.masks import prune_at_random
from cct.measure.parity import relative_error
from cct.operator.spec import NAME
from cct.operator.types import TYPES


def main() -> None:
    """Export in each type, compare, print a Markdown table."""
    torch.manual_seed(0)
    module = torchvision.models.resnet18().eval()
    prune_at_random(module, (4, 1), 1 / 8)
    images = torch.randn(8, 3, 224, 224)
    with torch.no_grad():
        wanted = module(images).numpy()
    print("| weights | activations | packed weights / dense float32, indices included | file, MB | error |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        for types in TYPES.values():
            layers = cct.export(module, images[:1], path, weights=types.weights, activations=types.activations)
            packed = [layer for layer in layers if layer.op == NAME]
            ratio = sum(4 * layer.weights for layer in packed) / sum(layer.packed_bytes for layer in packed)
            got = cct.session(path).run(None, {"input": images.numpy()})[0]
            size, error = path.stat().st_size / 1e6, relative_error(got, wanted)
            print(f"| {types.weights} | {types.activations} | 1/{ratio:.2f} | {size:.2f} | {error:.1e} |")
        cct.export(module, images[:1], path, pack=False)
        print(f"| dense float32 | float32 | 1 | {path.stat().st_size / 1e6:.2f} | |")


if __name__ == "__main__":
    main()
