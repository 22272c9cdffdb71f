"""What-if as a process of its own, for the API: an `Ask` on standard input, `Said` lines on standard output. ClickHouse
is that of the environment.

Judging keeps a core busy for as long as it takes; in a process it holds up nobody's request, ends with a signal, and
gives back its memory.
"""

import sys

import msgspec

from schemas.errors import ContactPulseError, InputError
from schemas.policy import parse_policy
from schemas.settings import Settings
from services.what_if.question import Question
from services.what_if.report import as_json
from services.what_if.run import Progress, what_if
from streams.what_if.compare import Flip


class Ask(msgspec.Struct):
    """A question as it goes to the process. Policies are YAML, instants ms; at most `flips` are listed."""

    policy: str
    base: str | None
    opened_from: int
    opened_to: int
    until: int | None
    by: list[str]
    flips: int


class Said(msgspec.Struct, omit_defaults=True):
    """One line of the process: `progress`, at last a `result` or what is `wrong`, by the `caller`'s fault or not."""

    progress: Progress | None = None
    result: msgspec.Raw = msgspec.Raw()
    wrong: str | None = None
    caller: bool = False


def main() -> None:
    """Answers the one question on standard input."""
    ask = msgspec.json.decode(sys.stdin.buffer.read(), type=Ask)
    try:
        _say(Said(result=msgspec.Raw(_answer(ask))))
    except ContactPulseError as error:
        _say(Said(wrong=str(error), caller=isinstance(error, InputError)))
    except BrokenPipeError:
        sys.stdout = None  # nobody listens any more; there is nothing to flush at exit


def _answer(ask: Ask) -> bytes:
    new = parse_policy(ask.policy, "policy")
    base = None if ask.base is None else parse_policy(ask.base, "base")
    question = Question(base, new, ask.opened_from, ask.opened_to, ask.until, ask.by)
    listed: list[Flip] = []

    def on_flip(flip: Flip) -> None:
        if len(listed) < ask.flips:
            listed.append(flip)

    report = what_if(Settings(), question, lambda progress: _say(Said(progress=progress)), on_flip)
    return msgspec.json.encode(as_json(question, report, listed))


def _say(said: Said) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
