"""The driver's end of an engine's process."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

LIMIT_SECONDS = 180


class EngineError(Exception):
    """An engine that refuses a model, dies or does not answer."""


def one_line(text: str) -> str:
    """A reason for people elsewhere: short, without paths and addresses."""
    return re.sub(r"\S*/\S*/", "", " ".join(text.split()))[:200]


class EngineProcess:
    """An engine, stopped by a signal whenever it is not asked something.

    So threads that wait by spinning can't disturb others, and every engine keeps its own way of waiting between the
    runs of its turn, as it has with a user.
    """

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        self.greeting: dict[str, Any] = {}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 closed with the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # so that what it forks ends with it
        )

    def wait_until_started(self) -> None:
        """Take in what the process says first; several can be started before the first is waited for.

        Raises:
            EngineError: it does not start.
        """
        self.greeting = self._receive()

    def ask(self, *request: object) -> dict[str, Any]:
        """Let it go on, ask, wait for the answer, stop it.

        Raises:
            EngineError: it answers with an error, or not at all.
        """
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise EngineError(self._last_words()) from error
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], LIMIT_SECONDS)[0]:
            self.close()  # it must not compute on beside the others
            raise EngineError(f"no answer in {LIMIT_SECONDS} s")
        line = self._process.stdout.readline()
        if not line:
            raise EngineError(self._last_words())
        self._process.send_signal(signal.SIGSTOP)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EngineError(one_line(str(answer["error"])))
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        return next((one_line(line) for line in reversed(lines) if line.strip()), "ended without a word")

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with suppress(OSError):  # what could not be sent to a dead process
                stream.close()  # type: ignore[union-attr]
