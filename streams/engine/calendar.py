"""Open time. A clock counts only while its calendar is open; all instants and spans are integer milliseconds."""

from typing import Protocol


class Calendar(Protocol):
    """When time counts."""

    name: str

    def elapsed(self, start: int, end: int) -> int:
        """Open milliseconds in [start, end); start <= end."""
        ...

    def after(self, start: int, span: int) -> int:
        """The first instant at which `span` open milliseconds have passed since `start`."""
        ...


class AlwaysOpen:
    """24x7: elapsed time is the difference."""

    name = "always"

    def elapsed(self, start: int, end: int) -> int:
        """Open milliseconds in [start, end)."""
        return end - start

    def after(self, start: int, span: int) -> int:
        """The first instant at which `span` open milliseconds have passed since `start`."""
        return start + span
