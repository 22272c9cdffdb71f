"""Waiting for SIGINT or SIGTERM in a process full of foreign threads."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[Callable[[], signal.Signals]]:
    """Take SIGINT and SIGTERM over; yields a function that waits for the first of them. Main thread only.

    The kernel hands a signal to any thread, here mostly one of the engine's, and Python runs the handler once the main
    thread wakes up, which a lock or queue it waits for never makes it do. So the C-level handler writes to a socket
    that the main thread reads.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    with reader, writer:
        before_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}

        def wait() -> signal.Signals:
            while True:
                number = reader.recv(1)[0]
                if number in _SIGNALS:
                    return signal.Signals(number)

        try:
            yield wait
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)
