"""A group member to be killed: python member.py BOOTSTRAP TOPIC GROUP SESSION_MS. Prints what it committed."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer


async def main() -> None:
    bootstrap, topic, group, session_ms = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=session_ms // 3,
        max_poll_records=1,
    )
    await consumer.start()
    async for record in consumer:
        await consumer.commit()
        print(record.offset, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
