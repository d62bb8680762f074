import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cct.data.load_data import load_data
from cct.data.wanted import IMAGENET_MEAN

RNG = np.random.default_rng(0)


def some(**changes: Any) -> dict[str, Any]:
    plain = {
        "x_train": RNG.integers(0, 256, (12, 8, 6, 3), dtype=np.uint8),
        "y_train": np.arange(12) % 3,
        "x_val": RNG.integers(0, 256, (6, 8, 6, 3), dtype=np.uint8),
        "y_val": np.arange(6) % 3,
    }
    return {name: value for name, value in (plain | changes).items() if value is not None}


@pytest.fixture
def save(tmp_path: Path) -> Any:
    def write(**changes: Any) -> str:
        np.savez(tmp_path / "a.npz", **some(**changes))
        return str(tmp_path / "a.npz")

    return write


def test_bytes_with_channels_last(save: Any) -> None:
    x = some()["x_val"]
    data = load_data(save(x_val=x))
    assert (data.name, data.classes, data.channels, data.size) == ("a.npz", ("0", "1", "2"), 3, (8, 6))
    assert (data.mean, data.augmented, len(data.train), len(data.val)) == (IMAGENET_MEAN, True, 12, 6)
    images, labels = next(iter(data.batches("val", 10)))
    wanted = (x.astype(np.float32) / 255 - np.array(data.mean, np.float32)) / np.array(data.std, np.float32)
    np.testing.assert_allclose(images.permute(0, 2, 3, 1).numpy(), wanted, atol=1e-6)
    assert labels.tolist() == [0, 1, 2, 0, 1, 2]


def test_every_form_says_the_same(save: Any) -> None:
    x = {name: array for name, array in some().items() if name.startswith("x")}
    first = {name: array.transpose(0, 3, 1, 2) for name, array in x.items()}
    floats = {name: array.astype(np.float64) / 255 for name, array in x.items()}
    wanted = load_data(save(**x)).example()
    for form in (first, floats):
        assert torch.allclose(load_data(save(**form)).example(), wanted, atol=1e-6)
    grey = {name: array[..., 0] for name, array in x.items()}
    wanted = load_data(save(**grey)).example()
    for form in ({n: a[..., None] for n, a in grey.items()}, {n: a[:, None] for n, a in grey.items()}):
        data = load_data(save(**form))
        assert torch.equal(data.example(), wanted)
        assert (data.mean, data.std) == ((0.5,), (0.5,))


def test_channels_and_size_of_the_model(save: Any) -> None:
    assert load_data(save(), channels=1).example().shape == (1, 1, 8, 6)
    data = load_data(save(), size=(16, 16))
    assert (data.size, data.example().shape) == ((16, 16), (1, 3, 16, 16))
    images, _ = next(iter(data.batches("train", 4, torch.Generator().manual_seed(0))))
    assert images.shape == (4, 3, 16, 16)
    many = {name: np.zeros((4, 8, 8, 13), np.uint8) for name in ("x_train", "x_val")}
    labels = {name: np.arange(4) for name in ("y_train", "y_val")}
    assert load_data(save(**many, **labels), channels=13).channels == 13


def test_classes_and_augment(save: Any) -> None:
    data = load_data(save(classes=np.array(["ant", "bee", "cat", "dog"]), augment=np.array(False)))
    assert data.classes == ("ant", "bee", "cat", "dog")
    assert not data.augmented
    images, _ = next(iter(data.batches("train", 12, torch.Generator().manual_seed(0))))
    known = {tuple(data.train[i][0].flatten().tolist()) for i in range(12)}
    assert {tuple(image.flatten().tolist()) for image in images} == known


def test_labels_as_a_column(save: Any) -> None:
    assert load_data(save(y_val=np.array([[2]] * 6, np.uint8))).val.labels.tolist() == [2] * 6


def test_normalized_values_need_saying_so(save: Any, refused: Any) -> None:
    x = RNG.normal(size=(6, 8, 6, 3)).astype(np.float32)
    assert "x_val reaches from -" in refused(save(x_val=x))
    data = load_data(save(x_train=x, y_train=np.arange(6) % 3, x_val=x), mean=(0, 0, 0), std=(1, 1, 1))
    np.testing.assert_array_equal(data.example()[0].permute(1, 2, 0).numpy(), x[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_val": None}, "a.npz lacks x_val; it has x_train, y_train, y_val: see"),
        ({"x_val": np.zeros((6, 8, 6, 3), np.int64)}, "x_val is int64: save uint8 (0..255) or float32 (0..1)"),
        ({"x_val": np.zeros((6, 48), np.uint8)}, "x_val has the shape [6, 48]: give (N, H, W)"),
        ({"x_val": np.zeros((0, 8, 6, 3), np.uint8)}, "x_val has the shape [0, 8, 6, 3]: give"),
        ({"x_val": np.zeros((6, 8, 6, 7), np.uint8)}, "which axis has the channels?"),
        ({"x_val": np.zeros((6, 3, 6, 3), np.uint8)}, "which axis has the channels?"),
        ({"x_val": np.zeros((6, 8, 6), np.uint8)}, "x_train and x_val have 3 and 1 channels"),
        ({"x_val": np.full((6, 8, 6, 3), np.nan, np.float32)}, "x_val holds NaN or infinity"),
        ({"x_val": np.full((6, 8, 6, 3), 255, np.float32)}, "reaches from 255 to 255, not within 0..1: save uint8"),
        ({"y_val": np.zeros(5, np.int64)}, "y_val has 5 labels, x_val has 6 images"),
        ({"y_val": np.zeros(6, np.float32)}, "y_val is float32 of the shape [6]: give one whole number an image"),
        ({"y_val": np.zeros((6, 3), np.int64)}, "y_val is int64 of the shape [6, 3]: give one whole number"),
        ({"y_train": np.zeros(12, np.float32)}, "y_train is float32"),
        ({"y_val": np.arange(6)}, "y_val has the label 5, there are 3 classes: they count from 0"),
        ({"y_val": -np.ones(6, np.int64)}, "y_val has the label -1"),
        ({"y_train": np.arange(12) * 10**9}, "y_train has the label 11000000000: classes count from 0"),
        ({"y_train": np.zeros(12, np.int64)}, "has 1 class: at least 2 are needed"),
        ({"classes": np.array(["a", "b"])}, "y_train has the label 2, there are 2 classes"),
        ({"classes": np.arange(3)}, "classes is no list of names"),
        ({"augment": np.array([True, False])}, "augment is bool of the shape [2]: save True or False"),
        ({"augment": np.array("no")}, "augment is <U2 of the shape []"),
    ],
)
def test_wrong_arrays_are_named(save: Any, refused: Any, changes: dict[str, Any], message: str) -> None:
    assert message in refused(save(**changes))


class Hostile:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", ["x_train", "y_val", "classes"])
def test_code_in_an_npz_does_not_run(tmp_path: Path, save: Any, refused: Any, name: str) -> None:
    hostile = np.array([Hostile(tmp_path / "ran")], dtype=object)
    assert f"{name} holds Python objects, and reading these runs code" in refused(save(**{name: hostile}))
    assert not (tmp_path / "ran").exists()
    pickle.loads(pickle.dumps(hostile))
    assert (tmp_path / "ran").exists()  # so the line above can fail


def header(shape: tuple[int, ...]) -> bytes:
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header((10**12, 8, 8, 3)), "x_val is not as long as its shape [1000000000000, 8, 8, 3] says"),
        (header((-1, 8, 8, 3)), "x_val is not as long as its shape"),
        (header((10**300, 10**300)), "x_val is not as long as its shape"),
        (b"no array", "is no .npz, or is damaged"),
        (b"\x93NUMPY\x09\x00", "is no .npz, or is damaged"),
        (header((300_000_000,)) + bytes(300_000_000), "claims 30000"),
    ],
)
def test_forged_arrays(tmp_path: Path, refused: Any, content: bytes, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in some().items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{name}.npy", content if name == "x_val" else buffer.getvalue())
    assert message in refused(tmp_path / "a.npz")


def test_other_files(tmp_path: Path, save: Any, refused: Any) -> None:
    whole = Path(save()).read_bytes()
    for content in (b"", b"no archive", whole[:100], whole[: len(whole) // 2]):
        (tmp_path / "b.npz").write_bytes(content)
        assert "b.npz is no .npz, or is damaged" in refused(tmp_path / "b.npz")
    damaged = bytearray(whole)
    damaged[400] ^= 255
    (tmp_path / "b.npz").write_bytes(damaged)
    assert "b.npz is no .npz, or is damaged (Bad CRC-32" in refused(tmp_path / "b.npz")


def test_changed_bytes_never_surprise(tmp_path: Path, save: Any) -> None:
    from cct.errors import DataError

    whole = Path(save()).read_bytes()
    for _ in range(300):
        content = bytearray(whole)
        for at in RNG.integers(0, len(whole), 3):
            content[at] = RNG.integers(0, 256)
        (tmp_path / "b.npz").write_bytes(content)
        try:
            load_data(str(tmp_path / "b.npz"))
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017  # either way is fine, other errors are not


def test_texts_without_characters_need_no_bytes(tmp_path: Path, refused: Any) -> None:
    """A trillion names in a hundred bytes."""
    np.savez(tmp_path / "a.npz", **some())
    for descr in ("<U0", "|S0", "|V0"):
        header = {"descr": descr, "fortran_order": False, "shape": (10**12,)}
        content = io.BytesIO()
        np.lib.format.write_array_header_1_0(content, header)
        np.savez(tmp_path / "a.npz", **some())
        with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
            archive.writestr("classes.npy", content.getvalue())
        assert "save arrays of numbers or names" in refused(tmp_path / "a.npz")


def test_classes_that_no_text_holds(save: Any, refused: Any) -> None:
    for name, shown in (("a\nb", r"a\nb"), ("\ud800", r"\ud800"), ("\x1b[31m", r"\x1b[31m")):
        assert f"has the class {shown}: give names of one line" in refused(save(classes=np.array(["ant", "bee", name])))
    assert "classes has 100001 names: 100000 are the most" in refused(save(classes=np.array(["a"] * 100_001)))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_compression_than_numpys(tmp_path: Path, refused: Any, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        for name, array in some().items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.save(stream, array)
    assert "is compressed in a way that numpy never does" in refused(tmp_path / "a.npz")


@pytest.mark.parametrize("scale", [{"mean": [1e31] * 3}, {"std": [1e-31] * 3}, {"mean": [float("nan")] * 3}])
def test_scales_beyond_what_can_be_computed(save: Any, refused: Any, scale: dict[str, Any]) -> None:
    assert next(iter(scale)) in refused(save(), **scale)
