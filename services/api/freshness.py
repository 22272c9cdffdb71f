"""How old and how complete the data is: watermarks say how far each source partition of the stream has come."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas import times
from services.api.database import Questions, Row
from services.api.kept import Kept
from services.api.silence import Silence, silent_at


@dataclass(frozen=True, slots=True)
class Freshness:
    """Stream time by partition, of both stages, the open cases of all, what was folded into "other" by dimension."""

    stream_times: dict[int, int]
    open_cases: int
    folded: Mapping[str, int] = field(default_factory=dict)

    @property
    def stream_time(self) -> int | None:
        """Where the slowest partition is: everything before it is in. None before the stream has ever run."""
        return min(self.stream_times.values(), default=None)

    def behind_ms(self, now_ms: int) -> int | None:
        """How far the slowest partition is behind the present."""
        return None if self.stream_time is None else max(0, now_ms - self.stream_time)

    def lagging(self, partitions: Iterable[int], now_ms: int, limit_ms: int) -> list[int]:
        """Those of the partitions that have no watermark or one older than `limit_ms`."""
        return [p for p in partitions if now_ms - self.stream_times.get(p, -limit_ms) > limit_ms]

    def stated(self, now_ms: int) -> Row:
        """As answers carry it, without what depends on the question."""
        behind = self.behind_ms(now_ms)
        return {
            "stream_time": None if self.stream_time is None else times.text(self.stream_time),
            "behind_s": None if behind is None else behind / 1000,
            "folded": dict(sorted(self.folded.items())),
        }


class FreshnessReader:
    """Freshness and silence, at most `keep_s` seconds old: they are the same for all."""

    def __init__(self, keep_s: float) -> None:
        self._kept: Kept[tuple[Freshness, list[Silence]]] = Kept(keep_s)

    async def read(self, database: Questions, now_ms: int, until_ms: int) -> tuple[Freshness, list[Silence]]:
        """How far the stream is, and what had gone silent at `until_ms`, or now where that is earlier."""

        async def ask() -> tuple[Freshness, list[Silence]]:
            return await freshness(database), await silent_at(database, now_ms)

        fresh, silent = await self._kept.get(None, ask)
        return fresh, silent if until_ms >= now_ms else await silent_at(database, until_ms)


async def freshness(database: Questions) -> Freshness:
    """Reads the watermarks."""
    rows = await database.rows(
        "SELECT partition, toUnixTimestamp64Milli(stream_time) AS at, open_cases, folded FROM watermarks FINAL"
    )
    folded: Counter[str] = Counter()
    for row in rows:
        folded.update(row["folded"])
    stream_times = {row["partition"]: row["at"] for row in rows}
    return Freshness(stream_times, sum(row["open_cases"] for row in rows), folded)
