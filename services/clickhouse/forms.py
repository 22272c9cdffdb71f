"""multipart/form-data bodies: how clients send long parameters and tables that go with a query."""

import re
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Final

from services.clickhouse.errors import BAD_ARGUMENTS, QueryError

_MOST_PARTS: Final = 1000


@dataclass(slots=True)
class Form:
    """Plain fields, and files by name."""

    values: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def is_form(headers: Message) -> bool:
    """Whether a request's body is a form."""
    return headers.get_content_type() == "multipart/form-data"


def read_form(headers: Message, body: bytes) -> Form:
    """Parse a form body. Raises QueryError where it is malformed."""
    boundary = headers.get_boundary()
    if not boundary:
        raise QueryError(BAD_ARGUMENTS, "multipart/form-data without a boundary")
    # The boundary line ends the part, the line end before it included.
    parts = re.split(rb"(?:^|\r\n)--" + re.escape(boundary.encode()), body, maxsplit=_MOST_PARTS)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise QueryError(BAD_ARGUMENTS, "Malformed multipart/form-data body")
    form = Form()
    for part in parts[1:-1]:
        head, gap, content = part.partition(b"\r\n\r\n")
        if not gap:
            raise QueryError(BAD_ARGUMENTS, "Malformed multipart/form-data body")
        described = BytesParser(policy=HTTP).parsebytes(head.lstrip(b"\r\n") + b"\r\n\r\n", headersonly=True)
        disposition = described["Content-Disposition"]
        name = None if disposition is None else disposition.params.get("name")
        if not name:
            raise QueryError(BAD_ARGUMENTS, "A multipart/form-data part has no name")
        if "filename" in disposition.params:
            form.files[name] = content
        else:
            form.values[name] = content.decode(errors="surrogateescape")
    return form
