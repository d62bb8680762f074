"""What a file is that is no checkpoint: said in its own words, with what to give instead."""

from __future__ import annotations

from collections.abc import Iterable

from cct.model_source import begins_as_onnx

_INSTEAD = "give the .pt, .pth or .safetensors that the network was saved to"
_STATE_DICT = "save model.state_dict() and give --arch"

# The first bytes of a file -> what it is.
_HEADS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run git lfs pull"),
    (b"\x89HDF\r\n\x1a\n", "a Keras or HDF5 file, which PyTorch does not read: convert it to a state_dict"),
    (b"GGUF", f"a GGUF file: {_INSTEAD}"),
    (b"\x93NUMPY", f"a numpy array: {_INSTEAD}"),
    (b"\x89PNG", f"an image: {_INSTEAD}"),
    (b"\xff\xd8\xff", f"an image: {_INSTEAD}"),
    (b"GIF8", f"an image: {_INSTEAD}"),
    (b"RIFF", f"an image or sound: {_INSTEAD}"),
    (b"%PDF", f"a PDF: {_INSTEAD}"),
    (b"\x7fELF", f"a program: {_INSTEAD}"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"\xfd7zXZ", "compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"<", f"a web page or XML, perhaps of a failed download: {_INSTEAD}"),
    (b"{", f"JSON: {_INSTEAD}"),
)

# The last part of a name in a zip -> what the archive is; the first that fits counts.
_MEMBERS: tuple[tuple[str, str], ...] = (
    ("constants.pkl", f"a TorchScript archive: {_STATE_DICT}"),
    ("archive_format", f"an exported program: {_STATE_DICT}"),
    ("serialized_exported_program.json", f"an exported program: {_STATE_DICT}"),
    ("model.weights.h5", "a Keras file, which PyTorch does not read: convert it to a state_dict"),
)


def recognize_head(head: bytes) -> str | None:
    """What a file is by its first 512 bytes; None if it may be a checkpoint."""
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it first"
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite model: give the PyTorch checkpoint that it was made from"
    if head[:3] == b"\x08\x01\x12":  # saved_model_schema_version 1, then meta_graphs
        return "a TensorFlow SavedModel, which PyTorch does not read: convert it to a state_dict"
    if begins_as_onnx(head):
        return "an ONNX model: give the PyTorch checkpoint that it was made from"
    return next((what for start, what in _HEADS if head.startswith(start)), None)


def recognize_archive(names: Iterable[str]) -> str | None:
    """What a zip file is by the names in it; None if it may be a checkpoint."""
    last = [name.split("/")[-1] for name in names]
    for member, what in _MEMBERS:
        if member in last:
            return what
    if any(name.endswith(".npy") for name in last):
        return f"an .npz of arrays: that is for --data; {_INSTEAD}"
    if "data.pkl" not in last:
        return f"a zip archive of something else: {_INSTEAD}"
    return None
