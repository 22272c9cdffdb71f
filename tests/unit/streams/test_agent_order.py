"""What an agent sends, and when: nothing is vouched for before it is durable."""

from collections.abc import Callable

import msgspec
import pytest
from faust.types import TP

from schemas.settings import Settings
from schemas.times import text
from schemas.topics import Topic
from streams.customer_partition import CustomerPartition
from streams.engine import engine
from streams.engine.checkpoint import newest_manifest
from streams.partition import SourcePartition
from streams.stage import Retention
from streams.transport import Chunk, Record
from tests.property.driving import policy_file, raw
from tests.property.test_source_partition_examples import NOW, ONE_MINUTE, at_home, opened
from tests.support.agents import CHANGELOG, Broker, Clock, Log, Sent, Worker, clock
from tests.unit.engine.test_customers import case

__all__ = ["clock"]

EVENTS = TP(Topic.EVENTS, 0)
SETTINGS = Settings(partitions=3, checkpoint_s=2)


def load(number: int, read: Callable[[str], bytes | None], now: int) -> SourcePartition:
    """A source partition of three."""
    return SourcePartition(number, 3, policy_file(ONE_MINUTE), Retention(10**9), read, now, 300)


def started(clock: Clock, broker: Broker, *logs: Log) -> Worker:
    """A worker that has read nothing yet."""
    clock.ms = clock.ms or NOW
    return Worker(broker, load, logs, clock, policy_file(ONE_MINUTE), SETTINGS)


def running(clock: Clock) -> tuple[Worker, Broker, Log]:
    """A worker that owns a partition with one open case, all of it durable, and a broker that now acknowledges nothing
    by itself. A checkpoint, a watermark and slices are due, and two events, a wrong one and one that belongs elsewhere
    have come."""
    broker, log = Broker(), Log(EVENTS)
    log.append(opened(at_home(0)))
    worker = started(clock, broker, log)
    worker.fetch()
    clock.ms += 5_000
    broker.holds = lambda sent: True
    log.append(opened(at_home(1), NOW + 1_000), b"{", opened(at_home(home=1)), opened(at_home(2), NOW + 2_000))
    return worker, broker, log


def newest(broker: Broker) -> tuple[int, int]:
    """Epoch and position of the manifest that a worker would recover now."""
    rows = broker.rows()
    manifest = newest_manifest(lambda key: rows.get(f"0.{key}".encode()))
    return (manifest.epoch, manifest.position) if manifest else (0, -1)


def test_nothing_is_said_before_the_epoch_of_a_new_owner_is_durable(clock: Clock) -> None:
    broker, log = Broker(), Log(EVENTS)
    broker.holds = lambda sent: True
    log.append(opened(at_home()))
    worker = started(clock, broker, log)
    worker.fetch()
    assert all(sent.is_row for sent in broker.sent), "the policy it judges by"
    worker.acknowledge(*broker.sent)
    assert [sent.is_manifest for sent in broker.sent] == [False, True]
    assert worker.agent.owned[0].partition.position == -1, "nothing is applied before either"
    worker.acknowledge(broker.sent[-1])
    assert newest(broker) == (1, -1)
    assert broker.of(Topic.POLICIES, Topic.OUTCOMES)


def test_a_watermark_waits_for_all_that_was_said_before_it(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    marks = len(broker.of(Topic.WATERMARKS))
    worker.fetch()
    said = broker.unacknowledged
    assert {Topic.ROLLUPS, Topic.OUTCOMES, Topic.DEAD, Topic.EVENTS} <= {sent.topic for sent in said}
    while broker.unacknowledged:
        assert len(broker.of(Topic.WATERMARKS)) == marks
        worker.acknowledge(broker.unacknowledged[-1])
        if not any(one in broker.unacknowledged for one in said):
            break
    mark = broker.of(Topic.WATERMARKS)[-1]
    assert mark.waiting == []
    assert msgspec.json.decode(mark.value or b"")["position"] == 4


def test_a_manifest_waits_for_outputs_and_rows_and_the_commit_for_the_manifest(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    worker.fetch()
    manifests = sum(sent.is_manifest for sent in broker.sent)
    while not (rows := [sent for sent in broker.unacknowledged if sent.is_row]):
        worker.acknowledge(broker.unacknowledged[0])
    while broker.unacknowledged:  # the watermark, outputs and rows of the checkpoint, one after the other
        assert sum(sent.is_manifest for sent in broker.sent) == manifests
        worker.acknowledge(broker.unacknowledged[0])
        if any(sent.is_manifest for sent in broker.unacknowledged):
            break
    assert all(row.durable for row in rows)
    [manifest] = broker.unacknowledged
    assert (manifest.is_manifest, manifest.waiting, worker.consumer.commits) == (True, [], [])
    worker.acknowledge(manifest)
    assert newest(broker) == (1, 4)
    assert worker.consumer.commits == [{EVENTS: 5}]


@pytest.mark.parametrize("kind", ["output", "watermark", "row", "manifest"])
def test_a_record_that_the_broker_does_not_take_ends_the_process_before_it_commits(clock: Clock, kind: str) -> None:
    worker, broker, _ = running(clock)

    def fails(sent: Sent) -> bool:
        if sent.topic == Topic.WATERMARKS:
            return kind == "watermark"
        return {"row": sent.is_row, "manifest": sent.is_manifest}.get(kind, sent.topic == Topic.ROLLUPS)

    manifests = sum(sent.is_manifest for sent in broker.sent)
    worker.fetch()
    while not (found := [sent for sent in broker.unacknowledged if fails(sent)]):
        worker.acknowledge(broker.unacknowledged[0])
    broker.fail(found[0])
    while broker.unacknowledged:
        worker.acknowledge()
    worker.step()
    assert worker.exit_code == 70
    assert worker.consumer.commits == []
    assert newest(broker) == (1, -1)
    assert sum(sent.is_manifest for sent in broker.sent) == manifests + (kind == "manifest")


@pytest.mark.parametrize("reading_on", [False, True])
def test_a_partition_lost_while_its_rows_are_written_gets_no_manifest_and_no_commit(
    clock: Clock, reading_on: bool
) -> None:
    worker, broker, _ = running(clock)
    worker.fetch()
    manifests = sum(sent.is_manifest for sent in broker.sent)
    while not any(sent.is_row for sent in broker.unacknowledged):
        worker.acknowledge(broker.unacknowledged[0])
    worker.revoke()
    if reading_on:  # the same rebalance may bring the partition back
        worker.reassign()
    worker.acknowledge()
    assert sum(sent.is_manifest for sent in broker.sent) == manifests
    assert (worker.consumer.commits, worker.exit_code) == ([], None)


@pytest.mark.parametrize("reading_on", [False, True])
def test_a_partition_lost_while_its_manifest_is_written_is_not_committed(clock: Clock, reading_on: bool) -> None:
    worker, broker, _ = running(clock)
    worker.fetch()
    while not any(sent.is_manifest for sent in broker.unacknowledged):
        worker.acknowledge(broker.unacknowledged[0])
    worker.revoke()
    if reading_on:
        worker.reassign()
    worker.acknowledge()
    assert worker.consumer.commits == []
    assert (newest(broker), worker.exit_code) == ((1, 4), None), "what is whole stays true"


def test_a_partition_that_is_no_longer_assigned_is_not_committed(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    broker.holds = lambda sent: False
    worker.consumer.assigned.clear()  # a rebalance takes it before it says so
    worker.hand(Chunk([Record(1, opened(at_home(1)))], 2, None, 2))
    assert (newest(broker), worker.consumer.commits) == ((1, 1), [])


def test_a_partition_whose_commit_is_refused_is_left_alone_until_the_rebalance_comes(clock: Clock) -> None:
    worker, broker, log = running(clock)
    broker.holds = lambda sent: False
    worker.consumer.commits_succeed = False
    worker.fetch()
    assert worker.consumer.commits == [{EVENTS: 5}]
    said = len(broker.sent)
    log.append(opened(at_home(3)))
    worker.fetch()
    clock.ms += 5_000
    worker.hand(Chunk([], 6, None, 6))
    assert len(broker.sent) == said, "its new owner says the rest, in the epoch after this one"
    worker.consumer.commits_succeed = True
    worker.revoke()
    worker.reassign()
    worker.fetch()
    assert newest(broker) == (2, 4)
    assert worker.agent.owned[0].partition.position == 5


def test_a_takeover_lost_before_its_manifest_is_durable_says_nothing(clock: Clock) -> None:
    broker, log = Broker(), Log(EVENTS)
    broker.holds = lambda sent: sent.is_manifest
    log.append(opened(at_home()))
    worker = started(clock, broker, log)
    worker.fetch()
    worker.revoke()
    worker.acknowledge()
    assert {sent.topic for sent in broker.sent} == {CHANGELOG}


def test_engines_stay_through_a_rebalance_that_leaves_their_partitions(clock: Clock) -> None:
    worker, broker, log = running(clock)
    broker.holds = lambda sent: False
    worker.fetch()
    log.append(opened(at_home(3)))
    worker.fetch()
    owner = worker.agent.owned[0].partition
    assert (newest(broker), owner.position) == ((1, 4), 5)
    worker.rebalance(generations=1)
    worker.fetch()
    assert worker.agent.owned[0].partition is owner
    assert (newest(broker), owner.position, owner.counts.events, owner.counts.duplicates) == ((1, 4), 5, 4, 0)
    clock.ms += 10_000
    worker.fetch()
    assert newest(broker) == (1, 5)


def test_engines_go_with_a_missed_generation_and_come_back_from_their_checkpoints(clock: Clock) -> None:
    worker, broker, log = running(clock)
    broker.holds = lambda sent: False
    worker.fetch()
    log.append(opened(at_home(3)))
    worker.fetch()
    assert (newest(broker), worker.agent.owned[0].partition.position) == ((1, 4), 5)
    worker.rebalance(generations=2)
    assert worker.agent.owned == {}
    worker.fetch()
    assert newest(broker) == (2, 4)
    clock.ms += 10_000
    worker.fetch()
    owner = worker.agent.owned[0].partition
    assert (newest(broker), owner.position, owner.counts.events) == ((2, 5), 5, 1)
    assert set(owner.engine.cases) == {at_home(n) for n in range(4)}


def test_a_partition_that_was_lost_does_not_stay(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    broker.holds = lambda sent: False
    worker.consumer.commits_succeed = False
    worker.fetch()
    assert worker.agent.owned[0].lost
    worker.rebalance(generations=1)
    assert worker.agent.owned == {}


def test_who_finds_its_partition_anothers_before_taking_it_over_says_and_writes_nothing(clock: Clock) -> None:
    log, broker = Log(EVENTS), Broker()
    log.append(opened(at_home(0)))
    worker = started(clock, broker, log)
    worker.consumer.commits_succeed = False  # frozen for longer than its session, it has a successor
    worker.fetch()
    assert (broker.sent, worker.agent.owned) == ([], {})
    worker.consumer.commits_succeed = True
    worker.rebalance()
    worker.fetch()
    assert newest(broker)[0] == 1


def test_partitions_that_leave_are_let_go_of(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    broker.holds = lambda sent: False
    worker.fetch()
    worker.revoke()
    worker.app.consumer_generation_id += 1
    worker.agent.on_assigned(worker.app, set())
    assert worker.agent.owned == worker.agent.alive_at == {}


def test_nothing_is_done_between_revocation_and_assignment(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    broker.holds = lambda sent: False
    worker.fetch()
    worker.revoke()
    said, position = len(broker.sent), worker.agent.owned[0].partition.position
    clock.ms += 10_000
    worker.hand(Chunk([Record(position + 1, opened(at_home(7)))], position + 2, None, position + 2))
    assert (len(broker.sent), worker.agent.owned[0].partition.position) == (said, position)


def test_what_was_fetched_in_an_earlier_generation_is_not_applied(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    broker.holds = lambda sent: False
    worker.fetch()
    position = worker.agent.owned[0].partition.position
    chunk = Chunk([Record(position + 1, opened(at_home(7)))], position + 2, None, position + 2)
    worker.rebalance(generations=1)
    worker.app.consumer_generation_id -= 1
    worker.hand(chunk)
    worker.app.consumer_generation_id += 1
    assert worker.agent.owned[0].partition.position == position


def test_a_quiet_partition_that_needs_no_checkpoint_writes_none(clock: Clock) -> None:
    worker, broker, _ = running(clock)
    broker.holds = lambda sent: False
    worker.fetch()
    rows = len(broker.of(CHANGELOG))
    for _ in range(5):
        clock.ms += 2_500
        worker.fetch()
    assert len(broker.of(CHANGELOG)) == rows
    clock.ms += 60_000  # the case's minute is over: there is something to say, and time has run far ahead
    worker.fetch()
    assert len(broker.of(CHANGELOG)) > rows


def test_the_customers_of_a_partition_are_kept_by_the_same_order(clock: Clock) -> None:
    broker, log = Broker(), Log(TP(Topic.CUSTOMERS, 0))
    clock.ms = NOW

    def customers(number: int, read: Callable[[str], bytes | None], now: int) -> CustomerPartition:
        return CustomerPartition(number, 3, Retention(10**9), read, now)

    worker = Worker(broker, customers, [log], clock, policy_file(ONE_MINUTE), SETTINGS)
    worker.fetch()
    log.append(msgspec.json.encode(case("a", 0, 10)), msgspec.json.encode(case("b", 20)))
    broker.holds = lambda sent: True
    clock.ms += 5_000
    worker.fetch()
    assert {sent.topic for sent in broker.unacknowledged} == {Topic.ROLLUPS}
    while any(not sent.durable for sent in broker.sent):
        worker.acknowledge(broker.unacknowledged[0])
    assert all(not sent.waiting for sent in broker.sent if sent.is_manifest or sent.topic == Topic.WATERMARKS)
    assert (newest(broker), worker.consumer.commits) == ((1, 1), [{log.tp: 2}])


def test_an_owner_that_does_not_know_it_lost_its_partition_removes_no_row_of_its_successor(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUCKET_CASES", 1)
    broker, log = Broker(), Log(EVENTS)
    closed = {"event_id": "z", "type": "contact.closed", "occurred_at": text(NOW), "case_id": at_home()}
    log.append(opened(at_home()), raw(closed))

    def forgetful(number: int, read: Callable[[str], bytes | None], now: int) -> SourcePartition:
        return SourcePartition(number, 3, policy_file(ONE_MINUTE), Retention(6_000), read, now, 300)

    def owner() -> Worker:
        made = Worker(broker, forgetful, [log], clock, policy_file(ONE_MINUTE), SETTINGS)
        made.fetch()
        return made

    clock.ms = NOW
    first = owner()
    clock.ms += 3_000
    first.hand(Chunk([], 2, None, 2))
    second = owner()
    clock.ms += 4_000
    log.append(opened(at_home(1)))
    first.consumer.commits_succeed = False
    first.fetch()
    assert len(first.consumer.commits) == 2, "it has forgotten the case"
    second.kill()
    third = owner()
    assert (third.exit_code, third.agent.owned.keys()) == (None, {0})
