"""The peer: a Faust agent as the tutorials write it. One event at a time, a model, a windowed table. It keeps no
clocks, judges no deadlines and sends no outcomes."""

import os
import time
from datetime import timedelta

import faust

from schemas.settings import Settings
from schemas.topics import Topic


class ContactEvent(faust.Record, serializer="json", coerce=False):  # type: ignore[call-arg,misc]
    """What the agent reads of an event."""

    event_id: str
    type: str
    occurred_at: str
    case_id: str | None = None
    channel: str | None = None


def build(settings: Settings) -> faust.App:
    """The app."""
    app = faust.App(
        f"{settings.topic_prefix}tutorial",
        broker=f"kafka://{settings.kafka}",
        topic_partitions=settings.partitions,
        store="memory://",
        web_enabled=False,
        datadir=str(settings.data_dir / "tutorial"),
    )
    source = app.topic(settings.topic(Topic.EVENTS), value_type=ContactEvent, partitions=settings.partitions)
    counts = app.Table("counts", default=int, partitions=settings.partitions).tumbling(
        timedelta(minutes=1), expires=timedelta(hours=1)
    )

    async def count(stream: faust.Stream[ContactEvent]) -> None:
        seen = 0
        async for event in stream:
            counts[event.type] += 1
            seen += 1
            if seen % 5_000 == 0:
                os.write(1, f"seen {seen} {time.perf_counter()}\n".encode())  # Faust takes sys.stdout for its log

    app.agent(source)(count)
    return app


if __name__ == "__main__":
    build(Settings()).main()
