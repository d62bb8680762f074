"""`cct.session`: ONNX Runtime with the operator library. Needs neither torch nor onnx."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Mapping
from typing import Any

import onnxruntime as ort

from cct.errors import CctError, LibraryError
from cct.runtime.check_cuda import check_cuda, preload, provider_problem
from cct.runtime.library import library_path, supported

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def session(
    model: str | os.PathLike[str] | bytes,
    *,
    provider: str = "cpu",
    provider_options: Mapping[str, object] | None = None,
    threads: int | None = None,
    library: bool = True,
    options: ort.SessionOptions | None = None,
) -> Any:
    """Open an ONNX file in ONNX Runtime with the operator library registered.

    Args:
        model: a path, or the file's bytes.
        provider: "cpu" or "cuda".
        provider_options: as ONNX Runtime documents them for the provider; {"use_tf32": 0} keeps float32 exact on CUDA
            where the provider answers the library for it (all since 1.18 that were looked at). The environment variable
            NVIDIA_TF32_OVERRIDE=0 always does.
        threads: within one operator; None leaves it to the options, whose default is all cores.
        library: False runs the function bodies instead of the library's routines.
        options: further session options, instead of ours that log nothing. The library is registered in them, so
            they serve one session.

    Returns:
        The `onnxruntime.InferenceSession`.

    Raises:
        LibraryError: the library is missing, does not load, or this machine or runtime lacks the provider.
        CctError: ONNX Runtime refuses the model.
    """
    if provider not in PROVIDERS:
        raise CctError(f"provider {provider!r} is not known: give cpu or cuda")
    if provider == "cuda":
        check_cuda(library)
        preload()
    if options is None:
        options = ort.SessionOptions()
        options.log_severity_level = 4  # its errors come as exceptions, its warnings speak of its own rewriting
    if threads is not None:
        options.intra_op_num_threads = threads
    if library and not supported():
        here = f"{platform.system()} {platform.machine()}"
        warnings.warn(f"cct has no library for {here}: the model runs as dense convolutions", stacklevel=2)
    elif library:
        register_library(options)
    name = "the model" if isinstance(model, bytes) else os.fspath(model)
    try:
        source = model if isinstance(model, bytes) else name
        # Without enable_fallback=0 a failure of the provider, on opening or in a later run, ends on the CPU.
        providers = [(PROVIDERS[provider], dict(provider_options or {}))]
        opened = ort.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception as error:
        raise CctError(f"ONNX Runtime {ort.__version__} refuses {name}: {_line(error)}") from error
    # Without a driver ONNX Runtime falls back to the CPU with a mere warning.
    if PROVIDERS[provider] not in opened.get_providers():
        raise LibraryError(f"ONNX Runtime {ort.__version__} can't use {PROVIDERS[provider]} here: {provider_problem()}")
    return opened


def register_library(options: ort.SessionOptions) -> None:
    """Register the operator library in session options.

    Raises:
        LibraryError: it is missing, or this runtime or processor can't use it.
    """
    path = library_path()
    try:
        options.register_custom_ops_library(path)
    except Exception as error:
        raise LibraryError(f"{path} does not load: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
