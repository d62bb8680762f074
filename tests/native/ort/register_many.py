"""Registers the library again and again and runs sessions made from that, in a process that holds it by nothing else.

Prints, as JSON, the resident bytes before and after. Any fault is an exception: python register_many.py MODEL LIBRARY.
"""

from __future__ import annotations

import json
import resource
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from numpy.typing import NDArray

MODEL, LIBRARY = sys.argv[1:]
X = np.random.default_rng(0).standard_normal((1, 6, 9, 9)).astype(np.float32)
WARM_UP, MANY, SESSIONS, THREADS = 200, 2000, 24, 8


def registered() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.register_custom_ops_library(LIBRARY)
    return options


def opened(options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def answer(session: onnxruntime.InferenceSession) -> NDArray[np.float32]:
    result: NDArray[np.float32] = session.run(None, {"X": X})[0]
    return result


def resident() -> int:
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * resource.getpagesize()


def first_uses_at_once() -> list[NDArray[np.float32]]:
    """Nobody registered anything before."""
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(lambda _: answer(opened(registered())), range(THREADS)))


def growth() -> tuple[int, int]:
    """Of options that die and of options that live as long as all of them."""
    for _ in range(WARM_UP):
        registered()
    before = resident()
    for _ in range(MANY):
        registered()
    after_dead = resident()
    kept = [registered() for _ in range(WARM_UP)]
    before_living = resident()
    kept += [registered() for _ in range(MANY)]
    return after_dead - before, resident() - before_living


def main() -> None:
    answers = first_uses_at_once()
    grown = growth()
    sessions = [opened(registered()) for _ in range(SESSIONS)]  # whose options died
    shared = registered()
    sessions += [opened(shared) for _ in range(SESSIONS)]
    del shared
    for _ in range(MANY):
        registered()
    with ThreadPoolExecutor(THREADS) as threads:
        answers += threads.map(answer, sessions)
        made = threads.map(lambda _: answer(opened(registered())), range(SESSIONS))
        answers += [*threads.map(answer, sessions), *made]
    del sessions
    answers.append(answer(opened(registered())))
    assert all(np.array_equal(got, answers[0]) for got in answers)
    print(json.dumps(grown))


main()
