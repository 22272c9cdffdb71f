"""Stands in for the product's command line: every command is a process that behaves like a part, and does no work.

`python parts_stub.py COMMAND [...]`. Each start and stop is noted in $CONTACTPULSE_DATA_DIR/notes. The file `broken`
there makes `worker` end with exit code 2, and the product not ready.
"""

import http.server
import os
import signal
import sys
import threading
from pathlib import Path


class Ok(http.server.BaseHTTPRequestHandler):
    """Answers GETs with 200."""

    def do_GET(self) -> None:
        broken = (Path(os.environ.get("CONTACTPULSE_DATA_DIR", ".")) / "broken").exists()
        self.send_response(503 if broken and self.path == "/readyz" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def main() -> int:
    command, arguments = sys.argv[1], sys.argv[2:]
    directory = Path(os.environ.get("CONTACTPULSE_DATA_DIR", "."))
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    if command == "worker" and (directory / "broken").exists():
        print("policy.yaml:3: no such thing", file=sys.stderr)
        return 2
    if "--port" in arguments:
        port = int(arguments[arguments.index("--port") + 1])
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Ok)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    note(directory, f"start {command}")
    stopped.wait()
    note(directory, f"stop {command}")
    return 0


def note(directory: Path, line: str) -> None:
    if "CONTACTPULSE_DATA_DIR" in os.environ:
        with (directory / "notes").open("a") as notes:
            notes.write(f"{line} {os.getpid()}\n")


if __name__ == "__main__":
    raise SystemExit(main())
