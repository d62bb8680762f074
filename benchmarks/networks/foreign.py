"""Networks that cct has never seen: ten of other people's, random pattern masks, `cct.export`, compared with torch.

    python -m benchmarks.networks.foreign [NETWORK ...] [--no-speed] [--results FILE] [--table]

Nothing is downloaded: weights are Kaiming's, batch statistics are settled on random images, the masks are random, 4x
over what `cct compress` would prune, block 4x1. So parity, size and speed mean something, and classes nothing.
Dense is the same export with packing off; both run in turns in one process, one thread, batch 1, by CPU time.
Each network becomes one line of the results; `--table` prints what is there as Markdown.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision.models as zoo
from torch import Tensor, nn

import cct
from benchmarks.networks.masks import prune_prunable_at_random
from cct.measure.interleaved import compare
from cct.measure.parity import relative_error
from cct.operator.spec import NAME
from cct.passes.module.prunable import prunable
from cct.runtime.machine import machine

COMPRESSION = 4.0
BLOCK = (4, 1)
SIZE = 224
RESULTS = Path(__file__).parents[1] / "results" / "networks.jsonl"


class UNet(nn.Module):
    """A small U-Net: three levels down, transposed convolutions up, concatenated skips, one mask out."""

    def __init__(self) -> None:
        super().__init__()
        widths = (32, 64, 128)
        self.down = nn.ModuleList(self._twice(a, b) for a, b in zip((3, *widths), widths, strict=False))
        self.bottom = self._twice(128, 256)
        self.widen = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths))
        self.up = nn.ModuleList(self._twice(2 * w, w) for w in reversed(widths))
        self.head = nn.Conv2d(32, 1, 1)

    @staticmethod
    def _twice(inputs: int, outputs: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for a in (inputs, outputs):
            layers += [nn.Conv2d(a, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W), sides divisible by 8, to logits (N, 1, H, W)."""
        skips = []
        for block in self.down:
            skips.append(block(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        x = self.bottom(x)
        for widen, block, skip in zip(self.widen, self.up, reversed(skips), strict=True):
            x = block(torch.cat([skip, widen(x)], 1))
        return self.head(x)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": zoo.resnet18,
    "resnet50": zoo.resnet50,
    "vgg16_bn": zoo.vgg16_bn,
    "mobilenet_v2": zoo.mobilenet_v2,
    "densenet121": zoo.densenet121,
    "efficientnet_b0": zoo.efficientnet_b0,
    "shufflenet_v2_x1_0": zoo.shufflenet_v2_x1_0,
    "googlenet": lambda: zoo.googlenet(aux_logits=False, transform_input=True, init_weights=False),
    "regnet_y_400mf": zoo.regnet_y_400mf,
    "unet": UNet,
}


def prepare(name: str, size: int = SIZE) -> tuple[nn.Module, int]:
    """A network with random masks and activations of a realistic size, in eval mode; how many layers are masked."""
    torch.manual_seed(0)
    module = NETWORKS[name]()
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    masked = prune_prunable_at_random(module, BLOCK, COMPRESSION)
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, 0, 0.1)
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over what it sees
    module.train()
    with torch.no_grad():
        module(torch.randn(4, 3, size, size))
    return module.eval(), masked


def check(name: str, folder: Path, size: int = SIZE) -> tuple[dict[str, Any], nn.Module]:
    """Export a network to packed.onnx and compare both ways to run that with torch."""
    module, masked = prepare(name, size)
    unpruned = {layer: reason for layer, reason in prunable(module).items() if reason}
    layers = cct.export(module, torch.zeros(1, 3, size, size), folder / "packed.onnx")
    images = torch.randn(8, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = module(images).numpy()
    sessions = [cct.session(folder / "packed.onnx", library=way) for way in (True, False)]
    got, body = (session.run(None, {"input": images.numpy()})[0] for session in sessions)
    line = {
        "network": name,
        "size": size,
        "convolutions": len(layers),
        "masked": masked,
        "packed": sum(layer.op == NAME for layer in layers),
        "dense": dict(Counter(unpruned.get(layer.name, layer.reason) for layer in layers if layer.reason)),
        "compression": round(sum(layer.weights for layer in layers) / sum(layer.kept for layer in layers), 2),
        "variation": round(relative_error(want[:1], want[1:]), 3),  # of the outputs from one image to another
        "library": relative_error(got, want),
        "body": relative_error(body, want),
    }
    return line, module


def beside_dense(module: nn.Module, folder: Path, size: int = SIZE) -> dict[str, int]:
    """Export the same network to dense.onnx; bytes of both files."""
    cct.export(module, torch.zeros(1, 3, size, size), folder / "dense.onnx", pack=False)
    return {f"{name}_bytes": (folder / f"{name}.onnx").stat().st_size for name in ("dense", "packed")}


def speed(folder: Path, rounds: int) -> dict[str, Any]:
    """Milliseconds of the two files."""
    times = compare({"dense": folder / "dense.onnx", "packed": folder / "packed.onnx"}, rounds=rounds)
    dense, ours, ratio = times.models["dense"], times.models["packed"], times.ratios["packed"]
    figures = {"dense_ms": dense.ms, "packed_ms": ours.ms, "low": ratio.low, "high": ratio.high}
    return {
        **{k: round(v, 3) for k, v in figures.items()},
        "doubt": ratio.doubt,
        "clock": ours.clock,
        "runs": ours.runs,
        "threads": 1,
        "machine": machine(),
    }


def table(lines: list[dict[str, Any]]) -> str:
    """The newest line of each network as Markdown, the reasons below."""
    newest = {line["network"]: line for line in lines}
    rows = [newest[name] for name in NETWORKS if name in newest]
    text = [
        "| network | packed / convolutions | compression | file, MB | error, library | error, body "
        "| ms dense | ms packed | speed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        files = f"{r['dense_bytes'] / 1e6:.1f} -> {r['packed_bytes'] / 1e6:.1f}"
        cells = [r["network"], f"{r['packed']} / {r['convolutions']}", f"{r['compression']:.2f}x", files]
        cells += [f"{r['library']:.1e}", f"{r['body']:.1e}"]
        if "dense_ms" in r:
            cells += [
                f"{r['dense_ms']:.2f}",
                f"{r['packed_ms']:.2f}",
                "no figure" if r.get("doubt") else f"{r['dense_ms'] / r['packed_ms']:.2f}x",
            ]
        else:
            cells += ["", "", ""]
        text.append(f"| {' | '.join(cells)} |")
    text += ["", "| network | left dense |", "|---|---|"]
    for r in rows:
        text.append(f"| {r['network']} | {'; '.join(f'{count} {reason}' for reason, count in r['dense'].items())} |")
    return "\n".join(text)


def main() -> None:
    """Check and measure, a line each; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", choices=[[], *NETWORKS], default=[])
    parser.add_argument("--no-speed", action="store_true")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    given = parser.parse_args()
    given.results.parent.mkdir(parents=True, exist_ok=True)
    for name in () if given.table else given.networks or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            line, module = check(name, Path(folder))
            line |= beside_dense(module, Path(folder))
            if not given.no_speed:
                line |= speed(Path(folder), given.rounds)
        with given.results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
    print(table([json.loads(line) for line in given.results.read_text().splitlines()]))


if __name__ == "__main__":
    main()
