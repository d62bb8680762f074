"""RegisterCustomOps any number of times in one process: what it makes is made once."""

from __future__ import annotations

import ctypes
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.native.native_binding import PATH, Arguments
from tests.native.ort.test_operator import image, model, session
from tests.support.cases import draw_packed

SCRIPT = Path(__file__).parent / "register_many.py"


@pytest.fixture
def content():
    packed = draw_packed(np.random.default_rng(0), out_channels=10, in_channels=6, group=2, block=(4, 2))
    return model(Arguments.of(packed, np.zeros(10, np.float32)))


def test_registrations_take_no_memory_and_sessions_of_all_of_them_run(content, tmp_path):
    """In a process of its own: this one holds the library, which another may unload with the last session."""
    (tmp_path / "m.onnx").write_bytes(content)
    command = [sys.executable, str(SCRIPT), str(tmp_path / "m.onnx"), PATH]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    of_dead, of_living = json.loads(done.stdout)
    assert of_dead < 1e6  # 2000 registrations: 500 bytes each; a set of operators each took 10 kB
    assert of_living < 4e6  # what ONNX Runtime keeps for living options


def test_registering_it_twice_for_one_session_is_an_error_of_the_runtime(content):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    for _ in range(2):
        options.register_custom_ops_library(PATH)
    with pytest.raises(Exception, match="Domain already set"):
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    assert session(content).run(None, {"X": image(1, 6, 9, 9)})[0].shape == (1, 10, 7, 7)


class Runtime:
    """As much of a runtime as registration calls; it writes down what is asked of it."""

    domains = itertools.count(1000)

    def __init__(self) -> None:
        self.made: list[int] = []
        self.added: list[tuple[int, int]] = []  # domain and operator
        self.released: list[int] = []
        self.given: list[int] = []  # to session options
        self.operators = sys.maxsize  # that it has room for
        pointer = ctypes.c_void_p
        self._functions = [
            (0, ctypes.CFUNCTYPE(pointer, ctypes.c_int, ctypes.c_char_p)(lambda code, message: 1)),
            (2, ctypes.CFUNCTYPE(pointer, pointer)(lambda status: ctypes.addressof(self._message))),
            (26, ctypes.CFUNCTYPE(pointer, pointer, ctypes.POINTER(pointer))(self._create)),
            (27, ctypes.CFUNCTYPE(pointer, pointer, pointer)(self._add)),
            (28, ctypes.CFUNCTYPE(pointer, pointer, pointer)(lambda options, domain: self.given.append(domain))),
            (93, ctypes.CFUNCTYPE(None, pointer)(lambda status: None)),
            (101, ctypes.CFUNCTYPE(None, pointer)(self.released.append)),
        ]
        self._message = ctypes.create_string_buffer(b"no room")
        self._api = (pointer * 280)()
        for slot, function in self._functions:
            self._api[slot] = ctypes.cast(function, pointer)
        get_api = ctypes.CFUNCTYPE(pointer, ctypes.c_uint32)(lambda version: ctypes.addressof(self._api))
        self._base = (pointer * 2)(ctypes.cast(get_api, pointer))
        self._functions.append((-1, get_api))

    def _create(self, name: int, domain: Any) -> None:
        self.made.append(next(self.domains))
        domain[0] = self.made[-1]

    def _add(self, domain: int, operator: int) -> int | None:
        if len(self.added) == self.operators:
            return 1
        self.added.append((domain, operator))
        return None

    def register(self) -> bool:
        register = ctypes.CDLL(PATH).RegisterCustomOps
        register.restype = ctypes.c_void_p
        return register(None, self._base) is None


RUNTIMES: list[Runtime] = []  # the library keeps what it knows of each as long as the process lives


@pytest.fixture
def runtime() -> Callable[[], Runtime]:
    def make() -> Runtime:
        RUNTIMES.append(Runtime())
        return RUNTIMES[-1]

    return make


def test_each_runtime_has_operators_and_a_domain_of_its_own(runtime):
    one, other = runtime(), runtime()
    assert all(r.register() for r in (one, other, one, other))
    for r in (one, other):
        assert len(r.made) == 1
        assert r.given == r.made * 2
        assert {domain for domain, _ in r.added} == set(r.made)
        assert not r.released
    assert len({operator for r in (one, other) for _, operator in r.added}) == 2 * len(one.added) == 72


def test_threads_that_are_the_first_make_one_domain(runtime):
    for _ in range(20):
        one = runtime()
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(lambda _, one=one: one.register(), range(8)))
        assert len(one.made) == 1
        assert one.given == one.made * 8
        assert len(one.added) == 36


def test_a_registration_that_fails_leaves_nothing_and_can_be_repeated(runtime):
    one = runtime()
    one.operators = 17
    assert not one.register()
    assert one.released == one.made
    assert not one.given
    one.operators = sys.maxsize
    one.added.clear()
    assert one.register()
    assert one.given == one.made[1:]
    assert len(one.added) == 36
