"""What `cct compress` makes of its options, before any run."""

from __future__ import annotations

import pytest

from cct.cli.compress import compress
from tests.support.process import MODEL


@pytest.mark.parametrize(
    ("launcher", "option", "precision"),
    [
        ("", None, None),
        ("", "no", "no"),
        ("no", None, None),  # accelerate launch says it unasked: the recipe's stays
        ("no", "bf16", "bf16"),
        ("bf16", None, "bf16"),
        ("bf16", "no", "no"),
    ],
)
def test_precision(monkeypatch: pytest.MonkeyPatch, launcher: str, option: str | None, precision: str | None) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launcher)
    options = ["--mixed-precision", option] if option else []
    context = compress.make_context("compress", [str(MODEL), "--data", "digits", *options])
    assert context.params["mixed_precision"] == precision
