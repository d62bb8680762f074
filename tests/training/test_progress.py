import pytest

from cct import distributed
from cct.training.progress import print_line, progress_bar


def test_one_process_alone_writes_to_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_line("epoch 1/2")
    assert tuple(capsys.readouterr()) == ("", "epoch 1/2\n")
    monkeypatch.setattr(distributed, "is_main", lambda: False)
    print_line("epoch 1/2")
    assert tuple(capsys.readouterr()) == ("", "")


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(3, 1) as advance:
        advance()
    assert tuple(capsys.readouterr()) == ("", "")


def test_a_terminal_sees_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bar(3, 1) as advance:
        advance()
    shown = capsys.readouterr().err
    assert "training" in shown
    assert "2/3" in shown
