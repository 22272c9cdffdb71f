"""The compacted topics that hold the workers' checkpoints, and how a partition of one is read when it is taken over.

Faust's tables would read them too, but record by record at 8,000 rows/s, in a service that a rebalance at the wrong
moment left waiting for ever, and they would copy each partition to a second worker all the time.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

FETCH_BYTES = 16 * 2**20
"""Of a partition at a time; a checkpoint's row takes up to 8 MiB."""
WAIT_MS = 200


async def read_rows(brokers: str, topic: str, partition: int, alive: Callable[[], None]) -> dict[bytes, bytes]:
    """The newest row of every key in one partition, up to where it ends when asked.

    Calls `alive` each time something has come. Raises `KafkaError`. Waits as long as the broker answers with nothing:
    the caller sets the limit.
    """
    rows: dict[bytes, bytes] = {}
    tp = TopicPartition(topic, partition)
    async with _consumer(brokers) as consumer:
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        first = (await consumer.beginning_offsets([tp]))[tp]
        consumer.seek(tp, first)
        # Tansu, asked for the end, tells the first offset of its last batch plus one; the true end comes with the rows.
        while first < end and await consumer.position(tp) < max(end, consumer.highwater(tp) or 0):
            batch = (await consumer.getmany(tp, timeout_ms=WAIT_MS)).get(tp, ())
            for row in batch:
                if row.value is None:
                    rows.pop(row.key, None)
                else:
                    rows[row.key] = row.value
            if batch:
                alive()
    return rows


@asynccontextmanager
async def _consumer(brokers: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=WAIT_MS,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
