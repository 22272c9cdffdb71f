"""What is asked, and of whose events."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from schemas import times
from schemas.errors import InputError
from schemas.policy import PolicyFile
from schemas.settings import Settings
from streams.what_if.compare import GROUPS


@dataclass(frozen=True, slots=True)
class Question:
    """Two policy files, and the cases to judge by them: those opened in [opened_from, opened_to), in ms.

    No `base` stands for the policy that the product judges by now. `until` is the stream time as of which they are
    judged; None: the newest that the product has told.
    """

    base: PolicyFile | None
    new: PolicyFile
    opened_from: int
    opened_to: int
    until: int | None = None
    by: Sequence[str] = ()


def instant(name: str, text: str) -> int:
    """The instant of an RFC 3339 text. Raises `InputError` naming the field."""
    try:
        return times.parse(text)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None


def groups(text: str) -> list[str]:
    """The names of a comma-separated list. Raises `InputError` where one is none that clocks can be grouped by."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in GROUPS or names.count(name) > 1:
            raise InputError(f"by: {name!r} is not one of {', '.join(GROUPS)}, each at most once")
    return names


def clickhouse_of(settings: Settings, data_dir: Path) -> Settings:
    """The settings with the ClickHouse to read: that of the environment, else the embedded one of `up` in `data_dir`.

    Raises `InputError` where there is neither.
    """
    if "clickhouse" in settings.model_fields_set:
        return settings
    try:
        port = json.loads((data_dir / "clickhouse-port.json").read_text(encoding="utf-8"))["http"]
        password = (data_dir / "clickhouse-password").read_text(encoding="utf-8").strip()
    except (OSError, ValueError, KeyError):
        raise InputError(
            f"no ClickHouse: set CONTACTPULSE_CLICKHOUSE, or give the --data-dir of `up`; {data_dir} is none"
        ) from None
    url = SecretStr(f"http://default:{password}@127.0.0.1:{port}/contactpulse")
    return settings.model_copy(update={"clickhouse": url})
