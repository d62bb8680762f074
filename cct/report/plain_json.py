"""Results as JSON."""

from __future__ import annotations

import json
import math
from typing import Any


def as_json(content: Any) -> str:
    """Plain values as JSON text; NaN and infinity, which JSON has no words for, become null."""
    return json.dumps(_plain(content), indent=2, allow_nan=False)


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _plain(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
