from __future__ import annotations

from pathlib import Path

import pytest

from cct.runtime.machine import cores, machine


def test_the_machine_is_named() -> None:
    assert "cores" in machine()


@pytest.mark.parametrize(("quota", "wanted"), [("100000 100000", 1), ("150000 100000", 2), ("max 100000", 4), ("", 4)])
def test_a_container_has_no_more_cores_than_its_quota(
    quota: str, wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr("cct.runtime.machine._QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert cores() == wanted
