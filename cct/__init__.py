"""Compress a trained CNN by patterns; export one ONNX file; run it fast in stock ONNX Runtime.

The names below load on first use, so that `import cct` and `cct.session` need neither torch nor onnx.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cct.clicktrain import ClickTrain
    from cct.exporter import export
    from cct.library import library_path
    from cct.recipe import Recipe
    from cct.runtime import session

# From 1.31 on ONNX Runtime keeps and sends statistics of its use, on Linux too, unless this stands before it loads.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["ClickTrain", "Recipe", "export", "library_path", "session"]

_HOME = {
    "ClickTrain": "cct.clicktrain",
    "Recipe": "cct.recipe",
    "export": "cct.exporter",
    "library_path": "cct.library",
    "session": "cct.runtime",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cct' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
