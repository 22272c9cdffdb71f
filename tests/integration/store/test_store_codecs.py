"""Producers of others compress as they like, and sometimes write what nobody can decode: neither stops the store."""

from typing import Any

import pytest
from confluent_kafka import Producer
from kafka import KafkaProducer

from schemas.topics import Topic
from tests.integration.store.bench import RUN, Bench, stop, until
from tests.integration.store.rows import event, line, outcome

pytestmark = pytest.mark.slow

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")

WITHOUT_SNAPPY = f"import kafka.codec; kafka.codec.snappy = None; {RUN}"


class NotUtf8(str):
    """The name of a header as a client may send it that thinks in another encoding."""

    def encode(self, *_: Any) -> bytes:
        return b"caf\xe9"


def send(bench: Bench, codec: str, rows: list[bytes]) -> None:
    """Writes a batch of outcomes as librdkafka does."""
    producer = Producer({"bootstrap.servers": bench.settings.kafka, "compression.type": codec, "linger.ms": 50})
    for row in rows:
        producer.produce(bench.settings.topic(Topic.OUTCOMES), row, partition=0)
        producer.produce(bench.settings.topic(Topic.EVENTS), event("e" + codec, codec), partition=1)
    assert producer.flush(30) == 0


def cases(bench: Bench) -> set[str]:
    return {case for (case,) in bench.rows("SELECT case_id FROM outcomes FINAL")}


def test_records_of_every_codec_are_stored(bench: Bench) -> None:
    process = bench.start()
    for codec in CODECS:
        send(bench, codec, [line(outcome(f"{codec}-{at}")) for at in range(50)])
    java = KafkaProducer(bootstrap_servers=bench.settings.kafka, compression_type="snappy")  # in xerial's blocks
    java.send(bench.settings.topic(Topic.OUTCOMES), line(outcome("java")) * 2, partition=0).get(30)
    java.close()
    until(lambda: bench.rows("SELECT count() FROM outcomes FINAL") == [(50 * len(CODECS) + 1,)])
    until(lambda: bench.rows("SELECT count() FROM events FINAL") == [(len(CODECS),)])
    assert bench.dead_letters() == []
    assert stop(process) == 0


def test_a_header_that_is_not_utf8_costs_its_record_and_no_other(bench: Bench) -> None:
    name = bench.settings.topic(Topic.OUTCOMES)
    bench.send(Topic.OUTCOMES, line(outcome("before")))
    bad = bench.producer.send(name, line(outcome("bad")), headers=[(NotUtf8("x"), b"y")], partition=0).get(30)
    bench.send(Topic.OUTCOMES, line(outcome("after")))
    process = bench.start()
    until(lambda: cases(bench) == {"before", "after"})
    until(lambda: bench.committed(Topic.OUTCOMES) == {0: 3})
    (letter,) = bench.dead_letters()
    assert letter.key == f"{name}-0-{bad.offset}".encode()
    assert line(outcome("bad")) in letter.value
    headers = dict(letter.headers)
    assert headers["origin"] == b"store"
    assert headers["reason"].startswith(b"record batch with offsets 1 cannot be decoded")
    assert bench.log.read_bytes().count(b"record batch kept as dead letter and passed") == 1
    assert b"kafka is away" not in bench.log.read_bytes()
    assert stop(process) == 0


def test_a_codec_that_nobody_has_costs_its_batches_and_no_others(bench: Bench) -> None:
    process = bench.start(WITHOUT_SNAPPY)
    send(bench, "lz4", [line(outcome("before"))])
    send(bench, "snappy", [line(outcome("lost"))] * 20)
    send(bench, "zstd", [line(outcome("after"))])
    until(lambda: cases(bench) == {"before", "after"})
    until(lambda: bench.committed(Topic.OUTCOMES) == {0: 22})
    letters = {letter.key.rpartition(b"-")[0]: dict(letter.headers)["reason"] for letter in bench.dead_letters()}
    assert letters.keys() == {
        f"{bench.settings.topic(Topic.OUTCOMES)}-0".encode(),
        f"{bench.settings.topic(Topic.EVENTS)}-1".encode(),
    }
    assert all(b"snappy" in reason for reason in letters.values())
    assert stop(process) == 0
