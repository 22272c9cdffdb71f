"""Loopback ports that stay the same: chosen free at the first start, then kept in a file."""

import json
import random
import socket
import time
from collections.abc import Sequence
from pathlib import Path

# Below Linux's range for outgoing connections (32768-60999), so that no client's own port takes ours during a restart.
FIRST, LAST = 20_000, 32_000


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True


def free_port(avoid: Sequence[int] = ()) -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    while True:
        port = random.randint(FIRST, LAST)
        if port not in avoid and is_free(port):
            return port


def kept_ports(file: Path, names: Sequence[str], *, patience_s: float = 5.0) -> dict[str, int]:
    """The ports of `names`, the same at every start; a port that somebody else took meanwhile is chosen anew.

    Waits up to `patience_s` for a kept port: a killed predecessor may need a moment to let go of it.
    """
    kept: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    deadline = time.monotonic() + patience_s
    ports: dict[str, int] = {}
    for name in names:
        port = kept.get(name)
        while port is not None and not is_free(port):
            if time.monotonic() > deadline:
                port = None
                break
            time.sleep(0.05)
        ports[name] = free_port(list(ports.values())) if port is None else port
    if ports != kept:
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(ports))
        draft.replace(file)
    return ports
