from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cct.errors import CctError, StateError
from cct.signals import Ended
from cct.workflows.compress.working_folder import STATE, working_folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "m.onnx"


def test_a_run_that_ends_well_leaves_nothing(output: Path) -> None:
    with working_folder(output) as folder:
        assert folder == output.parent / ".m.cct"
        (folder / STATE).touch()
        (folder / "packed.onnx").touch()
    assert not list(output.parent.iterdir())


def fail(output: Path, error: type[BaseException], file: str) -> None:
    with working_folder(output) as folder:
        (folder / file).touch()
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, Ended, CctError])
def test_a_run_that_fails_leaves_a_state_or_nothing(
    output: Path, error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(error):
        fail(output, error, "packed.onnx")
    assert not list(output.parent.iterdir())
    with pytest.raises(error):
        fail(output, error, STATE)
    said = capsys.readouterr().err
    assert ("--resume continues" in said) == (error is not CctError)
    with pytest.raises(StateError, match=r"m.cct holds an interrupted run: continue it with --resume, or delete"):
        fail(output, error, STATE)
    with working_folder(output, resume=True) as folder:
        assert (folder / STATE).exists()
    assert not list(output.parent.iterdir())


def test_one_run_at_a_time(output: Path) -> None:
    with working_folder(output) as folder:
        with (
            pytest.raises(CctError, match=r"another cct is writing .*m\.onnx: wait for it"),
            working_folder(output, resume=True),
        ):
            pass
        assert folder.exists()
        with working_folder(output.with_name("other.onnx")):
            pass


def test_the_lock_goes_with_a_process_that_is_killed(output: Path) -> None:
    code = "import sys, time, pathlib; from cct.workflows.compress.working_folder import working_folder\n"
    code += "with working_folder(pathlib.Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(output)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(CctError, match="another cct"), working_folder(output):
            pass
        process.kill()
    with working_folder(output) as folder:
        assert os.listdir(folder) == ["lock"]


def test_many_runs_at_once_never_share_the_folder(output: Path) -> None:
    code = """
import sys, pathlib
from cct.errors import CctError
from cct.workflows.compress.working_folder import working_folder
done = 0
for _ in range(300):
    try:
        with working_folder(pathlib.Path(sys.argv[1])) as folder:
            with open(folder / "mine", "x") as file: pass
            (folder / "mine").unlink()
            done += 1
    except CctError as error:
        assert "another cct" in str(error), error
print(done)
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(output)], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    counts = [int(run.communicate()[0]) for run in runs]
    assert all(run.returncode == 0 for run in runs)
    assert sum(counts) > 0
    assert not list(output.parent.iterdir())


def test_what_is_not_ours_is_left_alone(output: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".m.cct"
    folder.mkdir()
    (folder / "thesis.txt").touch()
    with pytest.raises(CctError, match="is in the way"), working_folder(output):
        pass
    assert (folder / "thesis.txt").exists()
    (folder / "thesis.txt").unlink()
    folder.rmdir()
    folder.touch()
    with pytest.raises(CctError, match=r"can't be used \(Not a directory\)"), working_folder(output):
        pass
    folder.unlink()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CctError, match="is in the way"), working_folder(output):
        pass
    assert not os.listdir(tmp_path / "elsewhere")


@pytest.mark.parametrize(("call", "words"), [("os.open", "can't be used"), ("fcntl.flock", "can't be locked")])
def test_a_folder_that_can_t_be_taken_does_not_stay(
    call: str, words: str, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk without room and a mount without locks."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(call, fail)
        with pytest.raises(CctError, match=words), working_folder(output):
            pass
    assert not list(output.parent.iterdir())
    (output.parent / ".m.cct").mkdir()
    (output.parent / ".m.cct" / "lock").touch()  # of a run that was killed, or that is starting
    monkeypatch.setattr(call, fail)
    with pytest.raises(CctError, match=words), working_folder(output):
        pass
    assert (output.parent / ".m.cct" / "lock").exists()


def test_where_no_folder_can_be_made_is_told_at_once():
    """/proc says of a new name that it does not exist, as a folder does that another run has just removed."""
    with pytest.raises(CctError, match="can't be made"), working_folder(Path("/proc/m.onnx")):
        pass
