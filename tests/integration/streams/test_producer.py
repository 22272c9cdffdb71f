"""What agents rely on of a producer, held by Faust's on a broker and by the one that stands in for it in tests.

A send returns at once; what it returns ends when the record is durable, records of a partition become so in order, and
where the broker does not take one it raises.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError
from kafka import KafkaConsumer, TopicPartition

from schemas.settings import Settings
from schemas.topics import Topic
from services.provision import ensure_topics
from streams.factory import create_app
from tests.support.agents import Broker
from tests.support.kafka import RunningBroker, fresh_prefix

COUNT = 200
Step = Callable[[Any, Callable[[], None]], Awaitable[None]]


@pytest.fixture(params=["kafka", "tansu", "stand-in"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings | None:
    """Of a broker with topics; None where the stand-in is meant."""
    if request.param == "stand-in":
        return None
    running: RunningBroker = request.getfixturevalue(request.param)
    made = Settings(kafka=running.bootstrap, topic_prefix=fresh_prefix(), partitions=2, data_dir=tmp_path)
    ensure_topics(made)
    return made


def producing(settings: Settings | None, step: Step) -> None:
    """Runs a step with a producer, and with what makes the stand-in's broker acknowledge."""

    async def run() -> None:
        if settings is None:
            broker = Broker()
            broker.holds = lambda sent: True
            await step(broker, lambda: broker.acknowledge(*broker.unacknowledged))
            return
        producer = create_app(settings).producer
        await producer.start()
        try:
            await step(producer, lambda: None)
        finally:
            await producer.stop()

    asyncio.run(run())


def name(settings: Settings | None, topic: Topic) -> str:
    return topic if settings is None else settings.topic(topic)


def test_a_send_ends_when_the_record_is_durable_and_a_partitions_in_order(settings: Settings | None) -> None:
    topic = name(settings, Topic.OUTCOMES)
    ended: list[tuple[int, int]] = []

    async def step(producer: Any, acknowledge: Callable[[], None]) -> None:
        pending = []
        for number in range(COUNT):
            future = await producer.send(topic, b"k", b"%d" % number, number % 2, None, [("origin", b"o")])
            future.add_done_callback(lambda _, n=number: ended.append((n % 2, n)))
            pending.append(future)
        assert not pending[-1].done(), "sending waits for nobody"
        acknowledge()
        await asyncio.wait_for(asyncio.gather(*pending), 60)
        await asyncio.sleep(0)

    producing(settings, step)
    assert len(ended) == COUNT
    for partition in range(2):
        assert [n for of, n in ended if of == partition] == list(range(partition, COUNT, 2))
    if settings is not None:
        consumer = KafkaConsumer(bootstrap_servers=settings.kafka, consumer_timeout_ms=20_000)
        consumer.assign([TopicPartition(topic, 1)])
        consumer.seek_to_beginning()
        records = [next(consumer) for _ in range(COUNT // 2)]
        consumer.close()
        assert [int(record.value) for record in records] == list(range(1, COUNT, 2))
        assert {tuple(record.headers) for record in records} == {(("origin", b"o"),)}


def test_a_record_the_broker_does_not_take_raises_where_it_is_waited_for(settings: Settings | None) -> None:
    async def taken(producer: Any) -> None:
        value = b"x" * (9 * 2**20)  # more than a topic takes, and than the producer sends
        future = await producer.send(name(settings, Topic.OUTCOMES), b"k", value, 0, None, None)
        if isinstance(producer, Broker):
            producer.fail(producer.sent[0])
        await asyncio.wait_for(future, 60)

    async def step(producer: Any, acknowledge: Callable[[], None]) -> None:
        with pytest.raises((KafkaError, ProducerSendError)):
            await taken(producer)

    producing(settings, step)
