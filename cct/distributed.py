"""The processes of one training, as torchrun and accelerate launch start them; usually there is one."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from cct.errors import CctError
from cct.signals import ENDINGS

if TYPE_CHECKING:
    import torch

_Value = TypeVar("_Value")
_groups: list[Any] = []  # the one in which the main process is waited for

_PATIENCE = timedelta(days=7)  # in which the main process is waited for: it evaluates, exports and measures


def ignore_launcher() -> None:
    """Take no notice of a launcher: in a pod its variables are there for commands that don't train, too."""
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        os.environ.pop(name, None)


def count() -> int:
    """How many there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this is the process that speaks and writes files."""
    return count() == 1 or int(os.environ.get("RANK", "0")) == 0


def local_index() -> int:
    """The place of this process among those of its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Meet the other processes for as long as the context lasts.

    Ctrl-C, and the launcher's signal to end because another process has failed, are a KeyboardInterrupt, once.
    """
    if count() == 1:
        yield
        return
    from accelerate import PartialState
    from torch import distributed

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    PartialState(cpu=device.type == "cpu")
    # Waiting in a group of gloo takes no core and no GPU, and may last.
    _groups.append(distributed.new_group(backend="gloo", timeout=_PATIENCE))
    yield
    _groups.clear()
    distributed.destroy_process_group()


def on_main(make: Callable[[], _Value]) -> _Value:
    """Let the main process make something while the others wait, and give it to all; an error there ends them all.

    Raises:
        CctError: in the others, where the main process has failed; it says why.
    """
    if count() == 1:
        return make()
    if not is_main():
        value: _Value
        value, done = _broadcast([None, False])
        if not done:
            raise CctError("the main process has failed")
        return value
    try:
        value = make()
    except Exception:
        reports_the_error()  # before the others can
        _broadcast([None, False])
        raise
    _broadcast([value, True])
    return value


def _broadcast(values: list[Any]) -> list[Any]:
    import torch
    from torch import distributed

    distributed.broadcast_object_list(values, 0, _groups[-1], torch.device("cpu"))
    return values


def reports_the_error() -> bool:
    """Whether it is for this process to say why the run ends: the first that asks."""
    return count() == 1 or _first()


@cache
def _first() -> bool:
    """Ask the launcher's store, which is there before the processes have met and after one has gone."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # public, but not in torch's __all__

    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = TCPStore(host, port, is_master=False, timeout=timedelta(seconds=10), wait_for_workers=False)
        return int(store.add(f"cct/ended/{attempt}", 1)) == 1
    except Exception:  # of torch, of many kinds; better twice than never
        return True


@contextmanager
def undisturbed_end() -> Iterator[None]:
    """However the context ends, one of several processes hears no more signals after it: it is about to leave."""
    try:
        yield
    finally:
        if count() > 1:
            _ignore_signals()


def leave(code: int) -> NoReturn:
    """Exit; one of several at once, since after an error the way out of torch may wait for the others.

    All is done and said: a signal while torch and ONNX Runtime take themselves down must not change the code.
    """
    atexit.register(_ignore_signals)  # not yet: who calls this as a function goes on
    if count() > 1 and code:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _interrupt(number: int, frame: object) -> NoReturn:
    _ignore_signals()  # the launcher may send another, on top of the terminal's
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in (signal.SIGINT, *ENDINGS):
        signal.signal(number, signal.SIG_IGN)
