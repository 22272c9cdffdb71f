"""What-if over a store that holds the events: from ClickHouse to the comparison, in one process."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from schemas.event import decode_envelope
from schemas.policy import PolicyFile, default_policy, parse_policy
from schemas.settings import Settings
from schemas.times import to_ms
from services.local.parts import PROGRAM, http_ok
from services.local.ports import free_port
from services.local.process import Child, wait_until
from services.store.clickhouse import Tables
from services.store.migrations import migrate
from services.store.routes import event_rows
from services.what_if.question import Question
from services.what_if.run import Report, what_if

LOT = 20_000


def what_if_rates(place: Path, lines: list[bytes]) -> list[tuple[str, float]]:
    """Events/s where every promise changes, so that both policies judge every case, and where a single one does."""
    base, until = default_policy(), to_ms(decode_envelope(lines[-1]).occurred_at)
    harder = parse_policy(re.sub(r"target: (\d+)(?=[smh])", lambda found: f"target: {int(found[1]) + 1}", base.text))
    one = parse_policy(re.sub(r"connect: \{target: 15s", "connect: {target: 14s", base.text, count=1))
    with clickhouse(place) as settings:
        tables = Tables(settings)
        for first in range(0, len(lines), LOT):
            tables.insert("events", event_rows(b"\n".join(lines[first : first + LOT]), 0))
        tables.close()
        return [
            ("what-if, events/s on one core, both folds", _rate(settings, base, harder, until)),
            ("what-if, one promise of many changed", _rate(settings, base, one, until)),
        ]


def _rate(settings: Settings, base: PolicyFile, new: PolicyFile, until: int) -> float:
    begin = time.perf_counter()
    report: Report = what_if(settings, Question(base, new, 0, until + 1, until))
    return report.events / (time.perf_counter() - begin)


@contextmanager
def clickhouse(place: Path) -> Iterator[Settings]:
    """An embedded ClickHouse with the product's tables."""
    port = free_port()
    command = [*PROGRAM, "clickhouse", "--path", str(place / "clickhouse"), "--port", str(port)]
    with Child("clickhouse", command, place / "clickhouse.log") as child:
        wait_until(lambda: http_ok("127.0.0.1", port, "/ping"), 60.0, child=child)
        settings = Settings(clickhouse=SecretStr(f"http://default:@127.0.0.1:{port}/contactpulse"))
        migrate(settings)
        yield settings
        child.stop()
