import io
import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cct.data.image_files import EXTENSIONS, FORMATS, FileImages, image_size
from cct.data.load_data import load_data
from cct.data.split import Data
from cct.data.wanted import IMAGENET_MEAN
from cct.errors import DataError


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


def test_images_of_many_sizes_are_brought_to_one(folder: Path, draw: Any) -> None:
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
    monkeypatch.setattr("cct.data.folder._MEMORY_LIMIT", 0)
    from_files = all_of(load_data(str(folder)))
    assert all(torch.equal(a, b) for a, b in zip(in_memory, from_files, strict=True))


def test_faults_are_named(folder: Path, refused: Any) -> None:
    assert "mean has 1 numbers, the images have 3 channels" in refused(folder, mean=(0.5,))
    assert "std must be above 0" in refused(folder, std=(1, 1, 0))
    (folder / "val").rename(folder / "test")
    assert "val is missing: the folders must be train and val; there is test, train" in refused(folder)
    (folder / "test").rename(folder / "val")
    (folder / "val" / "cat").rename(folder / "val" / "dog")
    assert "different classes; only in one of them: cat, dog" in refused(folder)


def test_empty_and_single_classes(folder: Path, draw: Any, refused: Any) -> None:
    for path in (folder / "val" / "bee").iterdir():
        path.unlink()
    assert f"{folder / 'val' / 'bee'} holds no image" in refused(folder)
    draw(folder / "one" / "train" / "cat" / "0.png")
    assert "holds 1 class folders: at least 2" in refused(folder / "one")


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_an_unreadable_image_is_named(folder: Path, content: bytes, refused: Any) -> None:
    broken = folder / "train" / "bee" / "2.png"
    broken.write_bytes(content)
    assert f"{broken} is no readable image" in refused(folder)


POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 8 8
%%EndComments
(ran) (w) file closefile
showpage
%%EOF
"""


def foreign_images() -> dict[str, bytes]:
    """What Pillow can write or read, and is not in the documentation's list."""
    found = {"EPS": POSTSCRIPT, "XPM": b'/* XPM */\nstatic char *x[] = {\n"1 1 1 1",\n"a c #000000",\n"a"};\n'}
    for kind in ("ICO", "TGA", "PCX", "SGI", "JPEG2000", "DDS", "ICNS", "MSP", "SPIDER", "DIB", "AVIF", "QOI"):
        buffer = io.BytesIO()
        mode = {"MSP": "1", "SPIDER": "F"}.get(kind, "RGB")
        try:
            Image.new(mode, (8, 8)).save(buffer, kind)
        except (KeyError, OSError, ValueError):  # this Pillow can't write it
            continue
        found[kind] = buffer.getvalue()
    return found


@pytest.mark.parametrize("kind", foreign_images())
def test_no_other_reader_of_pillow_is_reached(
    folder: Path, refused: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow goes by the first bytes, and runs Ghostscript for PostScript, whatever the file is called."""
    hidden = folder / "train" / "bee" / "2.png"
    hidden.write_bytes(foreign_images()[kind])
    Image.init()
    reached = []
    for other, (factory, accept) in list(Image.OPEN.items()):
        if other not in FORMATS:

            def spy(*given: Any, other: str = other, factory: Any = factory) -> Any:
                reached.append(other)
                return factory(*given)

            monkeypatch.setitem(Image.OPEN, other, (spy, accept))
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **more: reached.append("a program"))
    message = refused(folder)
    assert (
        f"{hidden} is no readable image: remove or replace it (none of BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP)" in message
    )
    assert not reached


def test_a_photo_of_several_images_is_a_jpeg(folder: Path) -> None:
    """Of some cameras; the first image counts."""
    photo = folder / "train" / "bee" / "9.jpg"
    Image.new("RGB", (8, 8), "white").save(photo, "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    assert FileImages([photo], 8, 8, 3).load(torch.tensor([0])).min() == 255


def test_the_documented_images_are_read(folder: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "models-and-data.md").read_text()
    listed = re.search(r"Files: (.*?)\.", text, re.DOTALL)
    assert listed is not None
    for kind in re.split(r",\s+", listed[1]):
        for label in ("ant", "bee", "cat"):
            Image.new("L" if kind == "pgm" else "RGB", (8, 8)).save(folder / "train" / label / f"9.{kind}")
    assert len(load_data(str(folder)).train) == 12 + 3 * len(EXTENSIONS - {".jpg", ".tif"})


@pytest.mark.parametrize("kind", ["png", "gif", "jpeg", "bmp", "tiff", "webp", "ppm"])
def test_whatever_pillow_raises_names_the_image(folder: Path, kind: str) -> None:
    """Bytes of each format changed at random: images, or one line."""
    rng = np.random.default_rng(len(kind))
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8)).save(buffer, kind)
    whole = np.frombuffer(buffer.getvalue(), np.uint8)
    path, lines = folder / f"x.{kind}", []
    for _ in range(300):
        changed = whole.copy()
        at = rng.integers(0, min(len(whole), 300), rng.integers(1, 6))
        changed[at] = rng.integers(0, 256, len(at))
        path.write_bytes(changed.tobytes())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if max(image_size(path)) < 5000:
                    FileImages([path], 8, 8, 3).load(torch.tensor([0]))
        except DataError as error:
            lines.append(str(error))
    assert lines
    assert not any("\n" in line for line in lines)


def test_a_truncated_image_is_named(folder: Path, refused: Any) -> None:
    broken = folder / "train" / "bee" / "2.png"
    broken.write_bytes(broken.read_bytes()[:-60])
    assert f"{broken} is no readable image" in refused(folder)


def test_a_model_of_one_channel_gets_grey(folder: Path) -> None:
    data = load_data(str(folder), channels=1)
    assert (data.channels, data.mean, data.std, data.example().shape) == (1, (0.5,), (0.5,), (1, 1, 8, 8))
    grey = np.asarray(Image.open(folder / "val" / "ant" / "0.png").convert("L"), np.float32)
    np.testing.assert_allclose(data.val[0][0][0].numpy(), (grey / 255 - 0.5) / 0.5, atol=1e-6)


def test_other_channels_are_refused(folder: Path, refused: Any) -> None:
    assert "the model takes 4 channels, image files have 1 or 3: give an .npz" in refused(folder, channels=4)


def test_sixteen_bits_are_scaled(folder: Path) -> None:
    ramp = (np.arange(64, dtype=np.uint16) * 1040).reshape(8, 8)
    for index, name in enumerate(("0.png", "1.tiff", "2.pgm")):
        (folder / "val" / "ant" / f"{index}.png").unlink()
        Image.fromarray(ramp).save(folder / "val" / "ant" / name)
    data = load_data(str(folder), mean=(0, 0, 0), std=(1, 1, 1))
    for index in range(3):
        np.testing.assert_array_equal((data.val[index][0] * 255).round().numpy()[1], ramp // 257)


def test_palettes_with_transparency(folder: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.save(folder / "val" / "ant" / "0.png", transparency=bytes([0, 100]))
    data = load_data(str(folder), mean=(0, 0, 0), std=(1, 1, 1))
    assert data.val[0][0].mean((1, 2)).tolist() == [1, 0, 0]


def test_pixels_of_32_bits_are_refused(folder: Path, refused: Any) -> None:
    for mode in ("F", "I"):
        Image.new(mode, (8, 8), 1).save(folder / "val" / "ant" / "0.tiff")
        assert "0.tiff is no readable image: remove or replace it (its pixels have 32 bits" in refused(folder)


def test_links_and_pipes(folder: Path, refused: Any) -> None:
    loop = folder / "train" / "ant" / "loop.png"
    loop.symlink_to(loop)
    assert "loop.png is no readable image" in refused(folder)
    loop.unlink()
    os.mkfifo(loop)
    assert "loop.png is no readable image" in refused(folder)
    loop.unlink()
    (folder / "val" / "dog").symlink_to("dog")
    assert "val/dog is a link to nothing, or to itself" in refused(folder)


def test_names_of_classes_that_no_text_holds(folder: Path, refused: Any) -> None:
    """Of bytes that are no UTF-8, or of two lines."""
    for name, shown in ((os.fsdecode(b"be\xffe"), r"be\udcffe"), ("be\ne", r"be\ne"), ("be\u2028e", r"be\u2028e")):
        for split in ("train", "val"):
            (folder / split / "bee").rename(folder / split / name)
        assert f"has the class {shown}: give names of one line" in refused(folder)
        for split in ("train", "val"):
            (folder / split / name).rename(folder / split / "bee")
    for split in ("train", "val"):
        (folder / split / "bee").rename(folder / split / "蜂\u3000b")
    assert load_data(str(folder)).classes[-1] == "蜂\u3000b"


def test_train_alone(folder: Path, refused: Any) -> None:
    shutil.rmtree(folder / "val")
    assert "val is missing: the folders must be train and val; there is train" in refused(folder)


def test_sizes_out_of_bounds(folder: Path, refused: Any) -> None:
    assert "give a --size of 1 to 4096 a side" in refused(folder, size=(0, 32))
    assert "give a --size of 1 to 4096 a side" in refused(folder, size=(32, 100_000))
