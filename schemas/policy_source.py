"""A policy file as text: what it holds, and the line of everything in it, so that a fault is named where it stands."""

from collections.abc import Collection
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from schemas.errors import PolicyError, quoted
from schemas.policy_yaml import Document, NotYaml

MOST_BYTES = 15 * 2**19
"""Of a policy file as JSON has it, where breaks, tabs, quotes and backslashes count twice: workers tell it in one
record of Kafka, which takes 8,000,000 bytes, and one that cannot be told would end every worker. 20,000 policies of
three clocks each have 5 MB."""
MOST_SAID = 1_000
"""Characters of a reason: what is wrong stands at its beginning, the rest is what the file holds."""
_MOST_PART = 64
_MOST_KNOWN = 500
"""Names among which a like one is looked for: each takes some 20 us."""

Place = tuple[Any, ...]
"""Keys and list positions from the top of a file down to something in it."""


class Fault(NamedTuple):
    """Something in a policy file that is wrong."""

    line: int
    field: str
    reason: str

    @property
    def said(self) -> str:
        """Field and reason."""
        return f"{self.field}: {self.reason}" if self.field else self.reason


def read_policy(path: Path) -> str:
    """The text at `path`. Raises `PolicyError` where it cannot be read, is too large, or is no UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(data) > MOST_BYTES:
        raise PolicyError(f"{path}: {_TOO_LARGE}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyError(f"{path}:{line}: not UTF-8 text: byte 0x{data[error.start]:02x}") from None


_TOO_LARGE = (
    f"too large: a policy file has at most {MOST_BYTES / 2**20} MiB, where line breaks, tabs, quotes and backslashes "
    "count twice"
)


class PolicySource:
    """The YAML `text` of the file `name`.

    `content` is what it holds, `repeated` the keys given twice in one mapping (of which YAML readers silently take the
    last). Raises `PolicyError` where the text is no YAML mapping, or beyond the bounds here and in `policy_yaml`.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.text = text
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            line = text.count("\n", 0, error.start) + 1
            raise PolicyError(self.show(line, "not valid YAML: half a character (a lone surrogate)")) from None
        if len(data) + sum(map(data.count, (b"\n", b"\r", b"\t", b'"', b"\\"))) > MOST_BYTES:
            raise PolicyError(f"{name}: {_TOO_LARGE}")
        try:
            document = Document(text)
        except NotYaml as error:
            place = name if error.line is None else f"{name}:{error.line}"
            raise PolicyError(f"{place}: not valid YAML: {one_line(str(error))}") from None
        if not isinstance(document.content, dict):
            said = "a policy file is a mapping with version, calendars and policies"
            raise PolicyError(self.show(document.line, said))
        self.content: dict[Any, Any] = document.content
        self._lines: Any = document.lines
        self.repeated = [
            Fault(line, _field(place), f"given twice, first in line {first}")
            for place, line, first in document.repeated
        ]

    def line(self, place: Place) -> int:
        """The line (from 1) of what is at this place; of the innermost thing around it, where nothing is."""
        line, content = 1, self.content
        for part in place:
            lines = self._lines.get(id(content))
            if part not in lines if isinstance(lines, dict) else not isinstance(part, int) or part >= len(lines or ()):
                break
            line, content = lines[part], content[part]
        return line

    def fault(self, place: Place, reason: str) -> Fault:
        """A fault at this place."""
        return Fault(self.line(place), _field(place), one_line(reason))

    def show(self, line: int, said: str) -> str:
        """One line for a reader, in the form that editors jump to."""
        return f"{self.name}:{line}: {said}"


def one_line(said: str, most: int = MOST_SAID) -> str:
    """A text for a message, whatever the file put into it."""
    if len(said) > most:
        said = f"{said[:most]}..."
    return said if said.isprintable() else repr(said)[1:-1]


def did_you_mean(word: object, known: Collection[str]) -> str:
    """`; did you mean ...?` where one of the known words is near, else an empty text."""
    if len(said := str(word)) > _MOST_PART:
        return ""
    by_fold = {name.casefold(): name for name in islice(known, _MOST_KNOWN)}
    near = get_close_matches(said.casefold(), by_fold, n=1)
    return f"; did you mean {quoted(by_fold[near[0]])}?" if near else ""


def _field(place: Place) -> str:
    return one_line(".".join(one_line(str(part), _MOST_PART) for part in place))
