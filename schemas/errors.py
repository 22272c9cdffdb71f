"""Every error the product raises on purpose, in one tree.

The command line turns a `ContactPulseError` into one line on standard error and its `exit_code`; the HTTP services turn
it into problem+json. Anything else that escapes is a bug and keeps its traceback.
"""


class ContactPulseError(Exception):
    """Base of all errors raised on purpose. `str(error)` is one clear line for the user."""

    exit_code = 1


class WorkFailed(ContactPulseError):
    """The input was fine but the work could not be done (a server away, a port taken meanwhile). Exit code 1."""


class InputError(ContactPulseError):
    """Wrong usage, or input that cannot be read or is invalid. Exit code 2."""

    exit_code = 2


class PolicyError(InputError):
    """A policy file that cannot be used; the message names file, line and field."""


class EventRejected(InputError):
    """One event that is not valid under contract v1.

    `field` is the JSON path of the offending field ("" where the whole event is meant), `reason` says what is wrong
    with it, `event_id` is the event's id where it could be read.
    """

    def __init__(self, reason: str, field: str = "", event_id: str | None = None) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.reason = reason
        self.field = field
        self.event_id = event_id


class PartitionHalted(WorkFailed):
    """A source partition was stopped because too much of it is undecodable; the message says where to look."""


def quoted(value: object, most: int = 64) -> str:
    """A value as messages quote it: on one line, and no longer than tells it from others."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str) and len(value) > most:
        return f"{value[:most]!r}..."
    return repr(value)
