from __future__ import annotations

from cct.machine import machine


def test_the_machine_is_named() -> None:
    assert "cores" in machine()
