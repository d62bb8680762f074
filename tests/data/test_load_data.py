from pathlib import Path

import pytest

from cct.data.load_data import load_data
from cct.errors import DataError


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere", "nowhere is no folder and no .npz that exists: give `digits`, a folder"),
        ("", "is no"),
        ("nowhere.npz", "nowhere.npz is no folder and no .npz that exists"),
        ("some.tar", "some.tar is no .npz: give that, a folder"),
        ("no_such_package:make", "--data no_such_package:make: no_such_package cannot be imported"),
        (":make", "write package.module:function or ./file.py:function"),
    ],
)
def test_what_names_no_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("some.tar").touch()
    with pytest.raises(DataError) as caught:
        load_data(spec)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
