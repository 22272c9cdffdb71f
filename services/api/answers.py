"""How answers leave: JSON straight from plain rows, in a stable order."""

from collections.abc import Iterable
from typing import Any

import msgspec
from fastapi import Response


def json_answer(content: object) -> Response:
    """A 200 JSON answer that nobody may keep: it tells the present."""
    body = msgspec.json.encode(content)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def group_order(groups: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Groups sorted by their values, "has none" first."""
    return sorted(groups, key=lambda group: tuple((value is not None, value or "") for value in group))
