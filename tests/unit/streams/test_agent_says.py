"""What leaves an agent, and that it is all there before a checkpoint lets its cause go."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from faust.types import TP

from schemas.settings import Settings
from schemas.times import text
from schemas.topics import Topic
from streams.agent import BEHIND_OUTCOMES_S, WATERMARK_S
from streams.engine import engine, snapshot
from streams.partition import BAD_LEAST, SourcePartition
from streams.stage import Retention
from streams.transport import Chunk, Record
from tests.property.driving import policy_file, raw
from tests.property.test_source_partition_examples import NOW, ONE_MINUTE, at_home, opened
from tests.support.agents import CHANGELOG, Broker, Clock, Log, Worker, clock
from tests.unit.streams.test_agent_order import EVENTS, load, newest, running, started

__all__ = ["clock"]


def lines(broker: Broker, topic: str) -> list[dict[str, Any]]:
    """The records of a topic, line by line."""
    return [msgspec.json.decode(line) for sent in broker.of(topic) for line in (sent.value or b"").split(b"\n")]


def worker_with(clock: Clock, broker: Broker, log: Log, **settings: Any) -> Worker:
    """A worker with other settings."""
    clock.ms = clock.ms or NOW
    return Worker(broker, load, [log], clock, policy_file(ONE_MINUTE), Settings(partitions=3, **settings))


def test_what_a_partition_kept_back_while_catching_up_is_told_before_its_checkpoint(clock: Clock) -> None:
    broker, log = Broker(), Log(EVENTS)
    log.append(*[opened(at_home(number)) for number in range(4)])
    worker = worker_with(clock, broker, log, checkpoint_s=0.01)
    worker.consumer.most = 1
    for _ in range(3):
        worker.fetch()
        clock.ms += round(BEHIND_OUTCOMES_S * 1000) // 5
    position = newest(broker)[1]
    assert position >= 1
    worker.kill()
    cases = {at_home(number) for number in range(position + 1)}
    assert {line["case_id"] for line in lines(broker, Topic.OUTCOMES)} == cases
    assert max(line["counts"]["opened"] for line in lines(broker, Topic.ROLLUPS) if "counts" in line) == len(cases)
    manifest = next(sent for sent in reversed(broker.sent) if sent.is_manifest)
    assert manifest is broker.sent[-1], "and it comes last"


def test_a_partition_that_is_level_says_outcomes_with_every_chunk(clock: Clock) -> None:
    broker, log = Broker(), Log(EVENTS)
    worker = started(clock, broker, log)
    for number in range(3):
        log.append(opened(at_home(number)))
        worker.fetch()
        assert {line["case_id"] for line in lines(broker, Topic.OUTCOMES)} == {at_home(n) for n in range(number + 1)}


def test_slices_are_told_before_a_watermark_however_seldom_they_leave(clock: Clock) -> None:
    broker, log = Broker(), Log(EVENTS)
    worker = worker_with(clock, broker, log, rollup_every_s=3_600, checkpoint_s=3_600)
    worker.fetch()
    log.append(opened(at_home()))
    worker.fetch()
    before = len(broker.of(Topic.WATERMARKS))
    assert not broker.of(Topic.ROLLUPS)
    clock.ms += round(WATERMARK_S * 1000) + 1
    worker.hand(Chunk([], 1, None, 1))
    assert len(broker.of(Topic.WATERMARKS)) == before + 1
    assert broker.of(Topic.ROLLUPS)[0].durable
    assert broker.sent.index(broker.of(Topic.ROLLUPS)[0]) < broker.sent.index(broker.of(Topic.WATERMARKS)[-1])


def test_dead_letters_and_forwarded_events_keep_their_place_key_and_headers(clock: Clock) -> None:
    broker, log = Broker(), Log(TP(Topic.EVENTS, 1))
    elsewhere = opened(at_home(home=2))
    log.append(b"{", elsewhere, opened(at_home(home=1)))
    worker = started(clock, broker, log)
    worker.fetch()
    [dead] = broker.of(Topic.DEAD)
    assert (dead.partition, dead.key, dead.value) == (1, b"contact.events-1-0", b"{")
    assert dead.headers.keys() == {"reason", "field", "origin"}
    [passed_on] = broker.of(Topic.EVENTS)
    assert (passed_on.partition, passed_on.key, passed_on.value) == (2, at_home(home=2).encode(), elsewhere)
    assert {sent.partition for sent in broker.of(Topic.OUTCOMES, CHANGELOG, Topic.POLICIES)} == {1}
    assert all(sent.key.startswith(b"1.") for sent in broker.of(CHANGELOG))


def test_a_halted_partition_saves_what_it_has_and_reads_no_further(clock: Clock) -> None:
    broker, log = Broker(), Log(EVENTS)
    log.append(opened(at_home()), *[b"{"] * BAD_LEAST, opened(at_home(1)))
    worker = started(clock, broker, log)
    worker.consumer.most = 5_000
    for _ in range(3):
        worker.fetch()
        clock.ms += 5_000
    assert worker.agent.owned[0].partition.halted
    assert (newest(broker), worker.consumer.commits) == ((1, BAD_LEAST), [{EVENTS: BAD_LEAST + 1}])
    assert len(broker.of(Topic.DEAD)) == BAD_LEAST
    assert {line["case_id"] for line in lines(broker, Topic.OUTCOMES)} == {at_home()}
    log.append(*[opened(at_home(number)) for number in range(2, 9)])
    said = len(broker.sent)
    worker.fetch()
    assert len(broker.sent) == said


def test_another_policy_is_told_and_made_durable_with_the_next_chunk(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    broker.holds = lambda sent: False
    worker.fetch()
    told, epoch_and_position = len(lines(broker, Topic.POLICIES)), newest(broker)
    manifests = sum(sent.is_manifest for sent in broker.sent)
    other = policy_file({"version": 1, "policies": [{"name": "all", "clocks": {"connect": {"target": "2m"}}}]})
    worker.policy.file = other
    clock.ms += 100
    worker.hand(Chunk([], 5, None, 5))
    assert len(lines(broker, Topic.POLICIES)) == told + 2, "both, with since when"
    assert sum(sent.is_manifest for sent in broker.sent) == manifests + 1, "at once: clocks have new targets"
    worker.kill()
    heir = started(clock, broker, Log(EVENTS))
    heir.policy.file = other
    heir.hand(Chunk([], 5, None, 5))
    heir_book = heir.agent.owned[0].partition.engine.book
    assert (len(heir_book.texts), heir_book.texts[1]) == (2, other.text)
    assert epoch_and_position == (1, 4)


def test_rows_of_what_is_forgotten_leave_the_changelog_and_the_workers_copy(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUCKET_CASES", 1)
    monkeypatch.setattr(snapshot, "SPARSE", 1)

    def forgetful(number: int, read: Callable[[str], bytes | None], now: int) -> SourcePartition:
        return SourcePartition(number, 3, policy_file(ONE_MINUTE), Retention(6_000), read, now, 300)

    clock.ms = NOW
    broker, log = Broker(), Log(EVENTS)
    closed = {"event_id": "z", "type": "contact.closed", "occurred_at": text(NOW), "case_id": at_home()}
    log.append(opened(at_home()), raw(closed))
    worker = Worker(broker, forgetful, [log], clock, policy_file(ONE_MINUTE), Settings(partitions=3, checkpoint_s=2))
    for number in range(1, 4):
        worker.fetch()
        clock.ms += 4_000
        log.append(opened(at_home(number)))
    worker.fetch()
    buckets = {key.partition(b".")[2].partition(b".")[0] for key in broker.rows() if key.startswith(b"0.b")}
    assert any(sent.key.startswith(b"0.b1.") and sent.value for sent in broker.sent), "it was there"
    assert b"b1" not in buckets and len(buckets) >= 2
    assert broker.rows() == worker.agent.owned[0].rows, "what a recovery finds is what the worker has"


def test_records_that_come_after_the_loss_of_an_engine_are_not_applied_to_the_old_one(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    broker.holds = lambda sent: False
    worker.fetch()
    old = worker.agent.owned[0].partition
    worker.rebalance()
    worker.hand(Chunk([Record(5, opened(at_home(7)))], 6, None, 6))
    assert (old.position, worker.agent.owned[0].partition.position) == (4, 5)
    assert worker.agent.owned[0].partition is not old


def test_a_worker_that_is_stopped_does_not_end_as_one_that_failed(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    worker.fetch()
    assert broker.unacknowledged, "in the middle of something"
    worker.kill()
    assert worker.exit_code is None
