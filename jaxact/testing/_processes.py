"""Processes that measure beside this one, and end with it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from typing import Any


@contextmanager
def processes(
    count: int, begin: Callable[..., None] | None = None, *args: Any
) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes to compute in, each with its own JAX.

    Each calls `begin` first.  They leave Ctrl-C to this one, and are stopped at once if
    the body raises: nobody will read what they find.
    """
    others = set(active_children())
    context = get_context("spawn")
    with ProcessPoolExecutor(count, context, _start, (begin, *args)) as pool:
        try:
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # they inherit it
            try:
                for _ in range(count):
                    pool.submit(int)  # starts one
            finally:
                signal.signal(signal.SIGINT, before)
            yield pool
        except BaseException:
            for mine in set(active_children()) - others:
                mine.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _start(begin: Callable[..., None] | None, *args: Any) -> None:
    """End when the parent ends, however it does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*args)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
