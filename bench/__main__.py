"""Prints events/s of replay, of the Faust pipeline, and of a tutorial-style Faust agent beside it, from one run.

All three get the same events of the demo operation. The pipeline is measured from Kafka to outcomes in Kafka, all state
checkpointed; the tutorial agent only counts, in a windowed table, which is what a first Faust program does. One worker
process each, one after the other, against the same embedded Kafka. Then how long the API takes to answer for metrics.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from bench.metrics import metric_latencies, print_figures
from bench.what_if import what_if_rates
from schemas.policy import default_policy
from schemas.rollup import CUSTOMER_STAGE
from schemas.routing import partition_of
from schemas.settings import Settings
from schemas.topics import Topic
from services.demo.operation import Operation
from services.local.broker import start
from services.local.kafka import EmbeddedKafka
from services.logs import configure
from services.provision import ensure_topics
from streams.replay import replay

PARTITIONS = 4
HOUR_MS = 3_600_000


def main() -> None:
    """Runs all and prints a table."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--tutorial-events", type=int, default=40_000)
    options.add_argument("--outcomes", type=int, default=10_000_000)
    arguments = options.parse_args()
    configure(Settings(), "bench")  # standard output is for the figures
    print(f"making {arguments.events:,} events ...", file=sys.stderr)
    keys, lines = events(arguments.events)
    size = sum(map(len, lines)) / len(lines)
    print(f"{len(lines):,} events of the demo operation, {size:.0f} bytes in the mean, {os.cpu_count()} cores\n")
    rows: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        rows.append(("replay (file to files, one core)", replay_rate(place, lines)))
        print("what-if ...", file=sys.stderr)
        rows += what_if_rates(place, lines)
        with kafka(place) as bootstrap:
            single = Settings(kafka=bootstrap, topic_prefix="single.", partitions=PARTITIONS, data_dir=place)
            print("filling Kafka ...", file=sys.stderr)
            produce(single, keys, lines, pack=False)
            print("tutorial agent ...", file=sys.stderr)
            tutorial = tutorial_rate(single, place, arguments.tutorial_events)
            rows.append(("Faust, tutorial style: one event at a time, windowed count", tutorial))
            print("pipeline ...", file=sys.stderr)
            rows.append(("pipeline, one event a record (own producers)", pipeline_rate(single, place)))
            packed = single.model_copy(update={"topic_prefix": "packed."})
            produce(packed, keys, lines, pack=True)
            rows.append(("pipeline, packed records (as the door packs)", pipeline_rate(packed, place)))
    print(f"{'':60} {'events/s':>10}  x tutorial")
    for name, rate in rows:
        print(f"{name:60} {rate:10,.0f}  {rate / tutorial:6.1f}")
    print("\nanswers from outcomes and 1,000 series ...", file=sys.stderr)
    with tempfile.TemporaryDirectory() as directory:
        print()
        print_figures(metric_latencies(Path(directory), arguments.outcomes))


def events(count: int) -> tuple[list[str], list[bytes]]:
    """Routing keys and lines, in order of delivery."""
    begin = (time.time_ns() // 1_000_000 // HOUR_MS - 24) * HOUR_MS
    operation = Operation(1, begin, rate=120.0)
    keys: list[str] = []
    lines: list[bytes] = []
    until = begin
    while len(lines) < count:
        until += 600_000
        for event in operation.advance(until):
            keys.append(event.get("case_id") or event.get("agent_id") or event["event_id"])
            lines.append(msgspec.json.encode(event))
    return keys[:count], lines[:count]


def replay_rate(place: Path, lines: list[bytes]) -> float:
    """Events/s of replay, reading and writing included."""
    source = place / "events.ndjson"
    source.write_bytes(b"\n".join(lines) + b"\n")
    begin = time.perf_counter()
    replay([source], default_policy(), place / "out")
    return len(lines) / (time.perf_counter() - begin)


@contextmanager
def kafka(place: Path) -> Iterator[str]:
    """An embedded Kafka."""
    broker = EmbeddedKafka(place / "kafka")
    child = start(broker, place / "kafka.log")
    try:
        yield broker.bootstrap
    finally:
        child.stop()


def produce(settings: Settings, keys: list[str], lines: list[bytes], pack: bool) -> None:
    """Fills the events topic before anything is measured."""
    ensure_topics(settings)
    producer = KafkaProducer(bootstrap_servers=settings.kafka, linger_ms=20, batch_size=256 * 1024, acks=1)
    topic = settings.topic(Topic.EVENTS)
    batches: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    for key, line in zip(keys, lines, strict=True):
        partition = partition_of(key, PARTITIONS)
        if not pack:
            producer.send(topic, value=line, partition=partition)
            continue
        batches[partition].append(line)
        if len(batches[partition]) == 500:
            producer.send(topic, value=b"\n".join(batches[partition]), partition=partition)
            batches[partition] = []
    for partition, batch in enumerate(batches):
        if batch:
            producer.send(topic, value=b"\n".join(batch), partition=partition)
    producer.flush()
    producer.close()


def pipeline_rate(settings: Settings, place: Path) -> float:
    """Events/s of one worker from its first watermark to the one that stands at the end of every partition."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka)
    sources = [TopicPartition(settings.topic(Topic.EVENTS), n) for n in range(PARTITIONS)]
    ends = {tp.partition: end for tp, end in consumer.end_offsets(sources).items()}
    counts = _events_before(settings, sources)
    marks = [TopicPartition(settings.topic(Topic.WATERMARKS), n) for n in range(PARTITIONS)]
    consumer.assign(marks)
    consumer.seek_to_beginning()
    positions = dict.fromkeys(range(PARTITIONS), -1)
    first: tuple[float, int] | None = None
    with worker(settings, place, "-m", "services.cli", "worker"):
        while True:
            for records in consumer.poll(timeout_ms=50).values():
                for record in records:
                    mark = msgspec.json.decode(record.value)
                    if mark["partition"] >= CUSTOMER_STAGE:
                        continue
                    positions[mark["partition"]] = mark["position"]
            done = sum(counts[partition][position] for partition, position in positions.items() if position >= 0)
            now = time.perf_counter()
            if first is None and done:
                first = (now, done)
            if first and all(positions[partition] + 1 >= end for partition, end in ends.items()):
                return (done - first[1]) / (now - first[0])


def _events_before(settings: Settings, sources: list[TopicPartition]) -> dict[int, list[int]]:
    """By partition: how many events lie at or before an offset."""
    reader = KafkaConsumer(bootstrap_servers=settings.kafka)
    reader.assign(sources)
    reader.seek_to_beginning()
    ends = reader.end_offsets(sources)
    counts: dict[int, list[int]] = {tp.partition: [] for tp in sources}
    while any(reader.position(tp) < end for tp, end in ends.items()):
        for tp, records in reader.poll(timeout_ms=500).items():
            for record in records:
                known = counts[tp.partition]
                known.append((known[-1] if known else 0) + record.value.count(b"\n") + 1)
    return counts


def tutorial_rate(settings: Settings, place: Path, count: int) -> float:
    """Events/s of the tutorial agent over the first `count` events, as it says itself."""
    with worker(
        settings, place, "-m", "bench.tutorial", "worker", "-l", "error", "--without-web", pipe=True
    ) as process:
        assert process.stdout is not None
        first: tuple[float, int] | None = None
        for line in process.stdout:
            if not line.startswith(b"seen "):
                continue
            _, seen, at = line.split()
            if first is None:
                first = (float(at), int(seen))
            elif int(seen) >= count:
                return (int(seen) - first[1]) / (float(at) - first[0])
    raise SystemExit("the tutorial agent ended early")


@contextmanager
def worker(settings: Settings, place: Path, *command: str, pipe: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process."""
    env = os.environ | {
        "CONTACTPULSE_KAFKA": settings.kafka,
        "CONTACTPULSE_TOPIC_PREFIX": settings.topic_prefix,
        "CONTACTPULSE_PARTITIONS": str(settings.partitions),
        "CONTACTPULSE_DATA_DIR": str(place),
        "CONTACTPULSE_SESSION_TIMEOUT_S": "2",
    }
    with (place / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command], env=env, stderr=log, stdout=subprocess.PIPE if pipe else log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
