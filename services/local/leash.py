"""Runs a command that dies with its parent: `python leash.py PARENT_PID COMMAND...`.

A program of its own instead of code between fork and exec, which is unsafe in a process with threads. The setting
survives exec, so it holds for Java and Rust alike. Linux only; elsewhere the command merely runs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Binds this process's life to its parent's, then becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call
            raise SystemExit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        raise SystemExit(f"cannot run {command[0]}: {error.strerror}") from None


if __name__ == "__main__":
    main()
