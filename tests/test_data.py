from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cct.data import IMAGENET_MEAN, Data, load_data
from cct.errors import DataError


def draw(path: Path, size: tuple[int, int] = (8, 8), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, (split, name) in enumerate([(s, n) for s in ("train", "val") for n in ("cat", "ant", "bee")]):
        for index in range(4):
            draw(tmp_path / split / name / f"{index}.png", seed=10 * seed + index)
    return tmp_path


def test_digits() -> None:
    data = load_data("digits")
    assert (data.channels, data.size, data.augmented) == (1, (32, 32), False)
    assert data.classes == tuple("0123456789")
    assert (len(data.train), len(data.val)) == (1201, 596)
    assert data.val.labels.bincount().min() >= 58  # every class, in proportion
    assert data.example().shape == (1, 1, 32, 32)
    every = torch.cat([images for images, _ in data.batches("train", 200)])
    assert every.mean().abs() < 1e-3
    assert every.std() == pytest.approx(1, abs=1e-3)


def test_digits_are_shuffled_but_not_changed() -> None:
    data = load_data("digits")
    images, labels = next(iter(data.batches("train", 64, torch.Generator().manual_seed(0))))
    known = {tuple(row) for row in torch.stack([data.train[i][0] for i in range(1201)]).flatten(1)[:, ::37].tolist()}
    assert all(tuple(row) in known for row in images.flatten(1)[:, ::37].tolist())
    assert not torch.equal(labels, data.train.labels[:64])


def test_folder(folder: Path) -> None:
    (folder / "train" / "cat" / "notes.txt").write_text("no image")
    data = load_data(str(folder))
    assert data.classes == ("ant", "bee", "cat")
    assert (data.channels, data.size, data.mean, data.augmented) == (3, (8, 8), IMAGENET_MEAN, True)
    images, labels = next(iter(data.batches("val", 100)))
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    pixels = np.asarray(Image.open(folder / "val" / "ant" / "0.png"), dtype=np.float32) / 255
    wanted = (pixels - np.array(data.mean, np.float32)) / np.array(data.std, np.float32)
    np.testing.assert_allclose(images[0].permute(1, 2, 0).numpy(), wanted, atol=1e-6)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_every_training_image_is_a_shifted_or_mirrored_one(folder: Path) -> None:
    data = load_data(str(folder), mean=(0, 0, 0), std=(1, 1, 1))
    plain = torch.cat([images for images, _ in data.batches("train", 12)])
    padded = torch.nn.functional.pad(torch.cat([plain, plain.flip(3)]), (1, 1, 1, 1))
    views = {
        tuple(padded[i, :, top : top + 8, left : left + 8].flatten().tolist())
        for i in range(24)
        for top in range(3)
        for left in range(3)
    }
    seen = set()
    loader = data.batches("train", 5, torch.Generator().manual_seed(0))
    for _ in range(10):
        for images, labels in loader:
            assert len(images) == len(labels) == 5
            seen |= {tuple(image.flatten().tolist()) for image in images}
    assert seen <= views
    assert len(seen) > 60


def test_the_seed_decides(folder: Path) -> None:
    def read(seed: int) -> torch.Tensor:
        loader = load_data(str(folder)).batches("train", 4, torch.Generator().manual_seed(seed))
        return torch.cat([images for images, _ in loader])

    assert torch.equal(read(1), read(1))
    assert not torch.equal(read(1), read(2))


def test_images_of_many_sizes_are_brought_to_one(folder: Path) -> None:
    draw(folder / "train" / "ant" / "wide.jpg", size=(300, 500))
    assert load_data(str(folder)).size == (224, 224)
    data = load_data(str(folder), size=(28, 28))
    assert data.size == (28, 28)
    images, _ = next(iter(data.batches("train", 5, torch.Generator())))
    assert images.shape == (5, 3, 28, 28)
    assert data.example().shape == (1, 3, 28, 28)
    white = folder / "val" / "ant" / "0.png"
    Image.new("RGB", (90, 30), "white").save(white)
    image, _ = load_data(str(folder), mean=(0, 0, 0), std=(1, 1, 1), size=(28, 28)).val[0]
    assert (image == 1).all()  # cut, not padded


def test_grey_and_transparent_images_become_rgb(folder: Path) -> None:
    Image.new("L", (8, 8), 255).save(folder / "val" / "ant" / "0.png")
    Image.new("RGBA", (8, 8), (255, 255, 255, 10)).save(folder / "val" / "ant" / "1.png")
    data = load_data(str(folder), mean=(0, 0, 0), std=(1, 1, 1))
    assert (data.val[0][0] == 1).all()
    assert (data.val[1][0] == 1).all()


def test_large_sets_are_read_batch_by_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_of(data: Data) -> list[torch.Tensor]:
        train = [images for images, _ in data.batches("train", 5, torch.Generator().manual_seed(0))]
        return train + [images for images, _ in data.batches("val", 5)]

    in_memory = all_of(load_data(str(folder)))
    monkeypatch.setattr("cct.data._MEMORY_LIMIT", 0)
    from_files = all_of(load_data(str(folder)))
    assert all(torch.equal(a, b) for a, b in zip(in_memory, from_files, strict=True))


def refused(spec: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        load_data(str(spec), **options)  # type: ignore[arg-type]  # wrong on purpose
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_faults_are_named(folder: Path) -> None:
    assert "is no folder: give `digits` or a folder" in refused(folder / "nowhere")
    assert "mean has 1 numbers, the images have 3 channels" in refused(folder, mean=(0.5,))
    assert "std must be above 0" in refused(folder, std=(1, 1, 0))
    (folder / "val").rename(folder / "test")
    assert "val is missing: the folders must be train and val; there is test, train" in refused(folder)
    (folder / "test").rename(folder / "val")
    (folder / "val" / "cat").rename(folder / "val" / "dog")
    assert "different classes; only in one of them: cat, dog" in refused(folder)


def test_empty_and_single_classes(folder: Path) -> None:
    for path in (folder / "val" / "bee").iterdir():
        path.unlink()
    assert f"{folder / 'val' / 'bee'} holds no image" in refused(folder)
    draw(folder / "one" / "train" / "cat" / "0.png")
    assert "holds 1 class folders: at least 2" in refused(folder / "one")


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_an_unreadable_image_is_named(folder: Path, content: bytes) -> None:
    broken = folder / "train" / "bee" / "2.png"
    broken.write_bytes(content)
    assert f"{broken} is no readable image" in refused(folder)


def test_a_truncated_image_is_named(folder: Path) -> None:
    broken = folder / "train" / "bee" / "2.png"
    broken.write_bytes(broken.read_bytes()[:-60])
    assert f"{broken} is no readable image" in refused(folder)
