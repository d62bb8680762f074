"""Train the demo's network from scratch on digits and write models/digits_net.pt; see models/digits_net.md."""

from __future__ import annotations

from pathlib import Path

import torch

from cct.checkpoint.own_format import save_checkpoint
from cct.data.load_data import load_data
from cct.models import MODELS
from cct.recipe.recipe import Recipe
from cct.training.evaluate import evaluate
from cct.training.fine_tune import fine_tune

RECIPE = Recipe(compression=1, epochs=30, learning_rate=0.05, warmup=0.1, batch_size=64, weight_decay=5e-4)


def main() -> None:
    """Train with `RECIPE` and print the accuracy on the held-out images."""
    torch.manual_seed(RECIPE.seed)
    data = load_data("digits")
    module = MODELS["digits_net"]()
    fine_tune(module, data, RECIPE)
    target = Path(__file__).parent.parent / "models" / "digits_net.pt"
    save_checkpoint(target, module, "digits_net", {}, RECIPE, data)
    print(f"accuracy {evaluate(module, data):.2f} %")


if __name__ == "__main__":
    main()
