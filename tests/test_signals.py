from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from cct.signals import Ended, orderly_end


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_wish_to_end_is_an_interruption_once(name: str) -> None:
    number = signal.Signals[name]
    before = signal.getsignal(number)
    with orderly_end():
        with pytest.raises(Ended, match=name):
            signal.raise_signal(number)
        signal.raise_signal(number)  # a terminal that closes says it twice: the way out is not disturbed
    assert signal.getsignal(number) is before


def test_a_wish_that_is_not_heeded_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with orderly_end():
        with pytest.raises(Ended):
            signal.raise_signal(signal.SIGTERM)
        later = time.monotonic() + 2
        monkeypatch.setattr(time, "monotonic", lambda: later)
        with pytest.raises(Ended):
            signal.raise_signal(signal.SIGTERM)


def test_what_is_ignored_stays_ignored() -> None:
    code = "import signal; from cct.signals import orderly_end\n"
    code += "with orderly_end(): signal.raise_signal(signal.SIGHUP)"
    done = subprocess.run(["nohup", sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_another_thread_leaves_signals_alone() -> None:
    seen = []

    def look() -> None:
        with orderly_end():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
