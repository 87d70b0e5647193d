"""A coroutine runs to its end with and without an event loop in this thread, and an interrupt reaches it."""

import asyncio
import signal
import threading

import pytest

from btfer_builder.io.event_loop import run_coroutine
from btfer_builder.io.terminal import progress_shown, show_progress


async def answer(value):
    await asyncio.sleep(0)
    return value, progress_shown()


async def inside(function):
    return function()


def test_the_result_is_the_same_with_and_without_a_loop():
    assert run_coroutine(answer(1)) == (1, True)
    with show_progress(False):
        assert asyncio.run(inside(lambda: run_coroutine(answer(1)))) == (1, False)


async def fail():
    raise LookupError("five")


@pytest.mark.parametrize("call", [lambda f: f(), lambda f: asyncio.run(inside(f))])
def test_an_error_comes_through(call):
    with pytest.raises(LookupError, match="five"):
        call(lambda: run_coroutine(fail()))


def test_an_interrupt_cancels_the_coroutine_and_waits_for_its_end():
    ended = threading.Event()

    async def endless():
        main = threading.main_thread().ident
        threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
        try:
            await asyncio.sleep(20)
        finally:
            ended.set()

    def cell():
        # As Jupyter does, which runs a cell inside its loop with Python's own handler.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            run_coroutine(endless())
        return ended.is_set()

    before = signal.getsignal(signal.SIGINT)
    try:
        assert asyncio.run(inside(cell))
    finally:
        signal.signal(signal.SIGINT, before)
