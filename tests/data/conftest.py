"""A folder of images, and what is said of images that are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cct.data.load_data import load_data
from cct.errors import DataError


@pytest.fixture
def draw() -> Callable[..., None]:
    """Write an image of noise."""

    def write(path: Path, size: tuple[int, int] = (8, 8), seed: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)

    return write


@pytest.fixture
def folder(tmp_path: Path, draw: Callable[..., None]) -> Path:
    for seed, (split, name) in enumerate([(s, n) for s in ("train", "val") for n in ("cat", "ant", "bee")]):
        for index in range(4):
            draw(tmp_path / split / name / f"{index}.png", seed=10 * seed + index)
    return tmp_path


@pytest.fixture
def refused() -> Callable[..., str]:
    """The one line that says why images are refused."""

    def ask(spec: Path | str, **options: object) -> str:
        with pytest.raises(DataError) as caught:
            load_data(str(spec), **options)  # type: ignore[arg-type]  # wrong on purpose
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return ask
