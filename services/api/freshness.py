"""How old the data is: watermarks say how far each source partition of the stream has come."""

from dataclasses import dataclass

from schemas import times
from services.api.database import Questions, Row


@dataclass(frozen=True, slots=True)
class Freshness:
    """Stream time per partition, and the open cases of all."""

    stream_times: dict[int, int]
    open_cases: int

    @property
    def stream_time(self) -> int | None:
        """Where the slowest partition is: everything before it is in. None before the stream has ever run."""
        return min(self.stream_times.values(), default=None)

    def behind_ms(self, now_ms: int) -> int | None:
        """How far the slowest partition is behind the present."""
        return None if self.stream_time is None else max(0, now_ms - self.stream_time)

    def lagging(self, partitions: int, now_ms: int, limit_ms: int) -> list[int]:
        """Partitions that have no watermark or one older than `limit_ms`."""
        return [p for p in range(partitions) if now_ms - self.stream_times.get(p, -limit_ms) > limit_ms]

    def stated(self, now_ms: int) -> Row:
        """As answers carry it. Late share and silent sources are not measured yet: null and none."""
        behind = self.behind_ms(now_ms)
        return {
            "stream_time": None if self.stream_time is None else times.text(self.stream_time),
            "behind_s": None if behind is None else behind / 1000,
            "late_share": None,
            "silent": [],
        }


async def freshness(database: Questions) -> Freshness:
    """Reads the watermarks."""
    rows = await database.rows(
        "SELECT partition, toUnixTimestamp64Milli(stream_time) AS at, open_cases FROM watermarks FINAL"
    )
    return Freshness({row["partition"]: row["at"] for row in rows}, sum(row["open_cases"] for row in rows))
