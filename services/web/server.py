"""Running an app: one process, one event loop, a prompt end."""

import contextlib
import gc
import ipaddress
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from schemas.errors import WorkFailed

_log = structlog.get_logger(__name__)

# Open event streams never finish by themselves: after this they are cut. With the app's own closing (<= 1 s) a process
# is gone in 3 s.
GRACE_S = 1.5


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve `app` on host:port (0: any free one, see the log) until SIGINT or SIGTERM, then return.

    Raises `WorkFailed` where the port cannot be had or the app does not start.
    """
    listening = listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        # Uvicorn types it as whole seconds, asyncio takes any number.
        timeout_graceful_shutdown=GRACE_S,  # type: ignore[arg-type]
        # Longer than the pause between two posts of a usual producer, so that connections are used again.
        timeout_keep_alive=30,
    )
    server = uvicorn.Server(config)
    # What is imported and set up stays for good. Looking through it again took every full collection 70 ms, in which no
    # request is answered.
    gc.collect()
    gc.freeze()
    address = listening.getsockname()
    _log.info("listening", url=f"http://{f'[{host}]' if ':' in host else host}:{address[1]}")
    with listening, _signals_end_quietly(server):
        try:
            server.run(sockets=[listening])
        except SystemExit:
            raise WorkFailed("the service could not start; the reason stands above") from None
    _log.info("stopped")


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `WorkFailed` naming the address where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay (44 ms an answer) off only on sockets that name their protocol, which those of
    # `socket.create_server` do not.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise WorkFailed(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    return listening


@contextlib.contextmanager
def _signals_end_quietly(server: uvicorn.Server) -> Iterator[None]:
    """Uvicorn raises the signals it was ended by once more afterwards; a clean stop should exit with 0 instead. A
    signal that comes before uvicorn listens for it ends the server too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
