"""How a process ends that is told to end: in order, as after Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# SIGQUIT is left to end what hangs, at once; not every system has SIGHUP
ENDINGS = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if name in signal.Signals.__members__]
_ECHO = 1.0  # seconds in which the same wish may come again: a terminal that closes tells it twice
_heard: list[float] = []  # when


class Ended(BaseException):
    """A signal to end has come; says which. As KeyboardInterrupt it is nothing that code for errors may catch."""


@contextmanager
def orderly_end() -> Iterator[None]:
    """For as long as the context lasts, SIGTERM and SIGHUP clean up on the way out as Ctrl-C does.

    A job scheduler, a container that stops and a terminal that closes send them. What is ignored stays ignored, as
    nohup has it, and what somebody else handles stays theirs.
    """
    # Only the main thread may set a handler, and only it would be interrupted.
    here = threading.current_thread() is threading.main_thread()
    taken = [number for number in ENDINGS if here and signal.getsignal(number) is signal.SIG_DFL]
    _heard.clear()
    for number in taken:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: object) -> None:
    now = time.monotonic()
    if not _heard or now - _heard[-1] > _ECHO:
        _heard.append(now)
        raise Ended(signal.Signals(number).name)
