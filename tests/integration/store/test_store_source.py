"""The store's seat in its group hands every record over once, and commits what it was told, whatever Kafka does."""

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaError, RebalanceInProgressError

from schemas.settings import Settings
from schemas.topics import Topic
from services.store import source as module
from services.store.metrics import StoreMetrics
from services.store.source import Source
from tests.integration.store.bench import Bench, until


@pytest.fixture
def stopping() -> Event:
    return Event()


@pytest.fixture
def source(bench: Bench, stopping: Event) -> Iterator[Source]:
    """A member of the test's own group that reads outcomes; it joins with its first poll."""
    source = seat(bench.settings, stopping)
    yield source
    source.close()


def seat(settings: Settings, stopping: Event) -> Source:
    return Source(settings, [settings.topic(Topic.OUTCOMES)], StoreMetrics(), stopping)


def fill(bench: Bench, records: int) -> None:
    for number in range(records):
        for partition in range(2):
            bench.send(Topic.OUTCOMES, b"%d" % number, partition=partition)


def read(source: Source, records: int) -> dict[int, list[int]]:
    """Polls until so many have come; returns their offsets by partition, in order."""
    offsets: dict[int, list[int]] = {}

    def enough() -> bool:
        for partition, record in source.poll(0.2):
            offsets.setdefault(partition.partition, []).append(record.offset)
        return sum(map(len, offsets.values())) >= records

    until(enough)
    return offsets


def test_records_that_come_with_an_assignment_while_nothing_can_be_written_are_read_later(
    bench: Bench, source: Source, stopping: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench, 20)
    # One poll that lasts until there are records: it joins the group, so what it brings cannot have been paused.
    monkeypatch.setattr(module, "_IDLE_S", 60.0)
    poll, polled = source._consumer.poll, []

    def once(timeout_ms: int) -> Any:
        found = poll(timeout_ms=timeout_ms)
        polled.append(found)
        stopping.set()
        return found

    monkeypatch.setattr(source._consumer, "poll", once)
    source.hold(60.0)
    assert [len(found) > 0 for found in polled] == [True], "the poll brought nothing: the test shows nothing"
    stopping.clear()
    monkeypatch.setattr(source._consumer, "poll", poll)
    assert read(source, 40) == {0: list(range(20)), 1: list(range(20))}


def test_a_commit_that_fails_is_made_again_without_anything_new(
    bench: Bench, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench, 3)
    assert read(source, 6) == {0: [0, 1, 2], 1: [0, 1, 2]}
    outcomes = bench.settings.topic(Topic.OUTCOMES)
    commit, failures = source._consumer.commit, [RebalanceInProgressError(), KafkaError("away")]

    def fails(*given: Any, **options: Any) -> Any:
        if failures:
            raise failures.pop()
        return commit(*given, **options)

    monkeypatch.setattr(source._consumer, "commit", fails)
    source.done({TopicPartition(outcomes, 0): 3, TopicPartition(outcomes, 1): 2})
    assert bench.committed(Topic.OUTCOMES) == {}

    def caught_up() -> bool:
        assert list(source.poll(0.1)) == []
        return bench.committed(Topic.OUTCOMES) == {0: 3, 1: 2}

    until(caught_up)


def test_what_was_not_done_is_read_again_by_the_next_one(bench: Bench, source: Source, stopping: Event) -> None:
    fill(bench, 5)
    read(source, 10)
    source.done({TopicPartition(bench.settings.topic(Topic.OUTCOMES), 0): 2})
    successor = seat(bench.settings, stopping)
    try:
        # It joins while the first is there, whose records must not count as done when it hands partitions over.
        again: dict[int, list[int]] = {}

        def both() -> bool:
            for member in (source, successor):
                for partition, record in member.poll(0.1):
                    again.setdefault(partition.partition, []).append(record.offset)
            return len(successor._consumer.assignment()) == 1

        until(both)
        assert bench.committed(Topic.OUTCOMES) == {0: 2}
        source.close()
        until(lambda: both() or {at for found in again.values() for at in found} == {0, 1, 2, 3, 4})
    finally:
        successor.close()
