"""One session and many users: threads, a fork, somebody who closes it, processes that cannot have it."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from sbn_graphs import bits, every_operation, random_input

from signbit.errors import SignbitError
from signbit.format import GraphBuilder, write_bytes
from signbit.runtime import Session, available_isas

GRAPH = every_operation()
MODEL = write_bytes(GRAPH)
BATCH = random_input(GRAPH, 3, count=3)

every_isa = pytest.mark.parametrize("name", available_isas())


@contextmanager
def running(session: Session, expected: np.ndarray) -> Iterator[list[str]]:
    """Threads that run the session all the time; what they met that they should not have met."""
    stop = threading.Event()
    wrong: list[str] = []

    def work() -> None:
        while not stop.is_set():
            try:
                if not np.array_equal(session.run(BATCH), expected):
                    wrong.append("another result")
            except SignbitError as error:
                wrong.append(str(error))
                return

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


@every_isa
def test_closing_while_others_run(name: str) -> None:
    """Every run gives the right numbers or says that the session is closed."""
    for _ in range(5):
        session = Session(MODEL, isa=name, threads=2)
        with running(session, session.run(BATCH)) as wrong:
            session.close()
        assert len(wrong) <= 3
        assert all("closed" in text for text in wrong), wrong
        assert session.metadata["labels"] == ["kočka", "pes"]


def _run_in_child(session: Session, queue: multiprocessing.queues.Queue[bytes]) -> None:
    results = {session.run(BATCH).tobytes() for _ in range(3)}
    session.close()
    queue.put(b"".join(results))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this platform does not fork")
@every_isa
def test_a_fork_while_others_run(name: str) -> None:
    """The forked child finds the session free and whole, whatever other threads were doing with it."""
    session = Session(MODEL, isa=name, threads=2)
    expected = session.run(BATCH)
    context = multiprocessing.get_context("fork")
    with running(session, expected) as wrong:
        for _ in range(4):
            queue = context.Queue()
            child = context.Process(target=_run_in_child, args=(session, queue))
            child.start()
            assert queue.get(timeout=30) == expected.tobytes()
            child.join(30)
            assert child.exitcode == 0
    assert not wrong


@pytest.mark.skipif(available_isas() == ["reference"], reason="the native module isn't built")
def test_a_run_leaves_the_gil_to_others() -> None:
    rng = np.random.default_rng(0)
    builder = GraphBuilder()
    x = builder.input((14, 14, 256))
    blobs = {"thresholds": np.zeros(256, np.float32), "rising": bits(rng, 256)}
    weight, flat = bits(rng, 256, 3, 3, 256), {"scale": np.ones(256, np.float32), "shift": np.zeros(256, np.float32)}
    pads = dict.fromkeys(("pad_top", "pad_left", "pad_bottom", "pad_right"), 1)
    for _ in range(8):
        x = builder.node("threshold", x, blobs=blobs)
        x = builder.node(
            "affine", builder.node("binary_conv2d", x, attributes=pads, blobs={"weight": weight}), blobs=flat
        )
    session = Session(write_bytes(builder.graph(x)), threads=1)
    batch = np.ones((1, 256, 14, 14), np.float32)
    start = time.perf_counter()
    session.run(batch)
    batch = np.repeat(batch, min(100, 1 + int(0.4 / (time.perf_counter() - start))), axis=0)
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        session.run(batch)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    turns = 0
    while not ended.is_set():
        turns += 1
        time.sleep(0.001)
    thread.join()
    assert turns > 10, "another thread gets two or three turns, before and after, where the GIL is kept"


@every_isa
def test_pickling_and_copying_say_what_to_do_instead(name: str) -> None:
    session = Session(MODEL, isa=name)
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"cannot be pickled or copied: .* path or bytes"):
            duplicate(session)
