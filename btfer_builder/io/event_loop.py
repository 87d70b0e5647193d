"""Run a coroutine to its end, also where an event loop runs already: in a notebook."""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_coroutine(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine and return its result.

    `asyncio.run` refuses to run inside an event loop, which Jupyter always has in its main thread. There the coroutine
    gets a thread and a loop of its own; an interrupt cancels it and waits for its end, as `asyncio.run` does.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    started = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def run() -> Result:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is one
        running.append((asyncio.get_running_loop(), task))
        started.set()
        return await coroutine

    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="btfer-loop") as pool:
        future = pool.submit(context.run, asyncio.run, run())
        try:
            return future.result()
        except KeyboardInterrupt:
            started.wait()
            loop, task = running[0]
            with contextlib.suppress(RuntimeError):  # it has ended in the meantime
                loop.call_soon_threadsafe(task.cancel)
            raise
