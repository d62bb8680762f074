"""Compress a trained CNN by patterns; export one ONNX file; run it fast in stock ONNX Runtime.

The names below load on first use, so that `import cct` and `cct.session` need neither torch nor onnx.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cct.__version__ import __version__ as __version__

if TYPE_CHECKING:
    from cct.errors import CctError
    from cct.exporter.export import export
    from cct.model_source import ModelSource
    from cct.pruning.clicktrain import ClickTrain
    from cct.recipe.recipe import Recipe
    from cct.runtime.library import library_path
    from cct.runtime.session import session
    from cct.workflows.compress.request import Request
    from cct.workflows.compress.steps import compress
    from cct.workflows.validate import validate

# From 1.31 on ONNX Runtime keeps and sends statistics of its use, on Linux too, unless this stands before it loads.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "CctError",
    "ClickTrain",
    "ModelSource",
    "Recipe",
    "Request",
    "compress",
    "export",
    "library_path",
    "session",
    "validate",
]

_HOME = {
    "CctError": "cct.errors",
    "ModelSource": "cct.model_source",
    "Request": "cct.workflows.compress.request",
    "compress": "cct.workflows.compress.steps",
    "validate": "cct.workflows.validate",
    "ClickTrain": "cct.pruning.clicktrain",
    "Recipe": "cct.recipe.recipe",
    "export": "cct.exporter.export",
    "library_path": "cct.runtime.library",
    "session": "cct.runtime.session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cct' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
