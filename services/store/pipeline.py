"""The whole way of a row: read, route by topic, gather, insert, commit. The rest of this folder is its details."""

from collections.abc import Callable
from threading import Event
from time import monotonic, time
from typing import TypeVar

import structlog
from kafka.errors import KafkaError

from schemas.settings import Settings
from services.store.batch import Batch, Piece
from services.store.clickhouse import ClickHouseAway, DiskFull, RowsRefused, Tables
from services.store.metrics import StoreMetrics
from services.store.refusals import DeadLetters, Refused, insert_around, refused_limit
from services.store.routes import TABLES, UNROUTED, Record, Router
from services.store.source import Source
from services.store.touches import TOUCHES, Touches
from services.store.unreadable import Unreadable

log = structlog.get_logger()
T = TypeVar("T")

_IDLE_S = 0.2
_SHORTEST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
"""Between two tries of a server that is away. It is back in seconds as a rule, and its rows should not wait long."""


class Stopped(Exception):
    """Asked to stop while a server was away: what is gathered stays uncommitted and is read again."""


class Pipeline:
    """Kafka to ClickHouse, in one thread.

    Offsets are committed after the inserts of all tables of a flush. A crash before the commit repeats the inserts, and
    since rows are absolute and versioned that shows nowhere.
    """

    def __init__(self, settings: Settings, metrics: StoreMetrics, stopping: Event) -> None:
        """Raises `WorkFailed` when no Kafka broker answers."""
        self._flush_s = settings.store_flush_s
        self._metrics = metrics
        self._stopping = stopping
        self._router = Router(settings)
        self._tables = Tables(settings)
        self._touches = Touches()
        self._dead = DeadLetters(settings)
        self._source = Source(settings, self._router.topics, metrics, stopping)

    def run(self) -> None:
        """Work until asked to stop. Raises `PartitionHalted` where far too many rows are refused."""
        try:
            batch, due = Batch(), monotonic()
            while not self._stopping.is_set():
                for partition, record in self._source.poll(min(due - monotonic(), _IDLE_S) if batch else _IDLE_S):
                    self._take(record, batch)
                    batch.passed(partition, record.offset, record.timestamp)
                    if batch.full:
                        batch, due = self._flush(batch)
                        if self._stopping.is_set():
                            break
                if batch and monotonic() >= due:
                    batch, due = self._flush(batch)
            self._flush(batch)
        except Stopped:
            log.warning("stopped while a server was away; what was not written is read again")
        finally:
            self._source.close()
            self._dead.close()
            self._tables.close()

    def _take(self, record: Record, batch: Batch) -> None:
        """Add a record's rows to the batch; bury what has none."""
        if isinstance(record.value, Unreadable):
            self._bury_unreadable(record, record.value)
            return
        origin = f"{record.topic}-{record.partition}-{record.offset}"
        try:
            table, rows = self._router.route(record)
        except ValueError as error:
            self._bury(UNROUTED, [Refused(origin, record.value or b"", str(error))])
        else:
            batch.add(table, Piece(origin, rows, _count(rows)))

    def _flush(self, batch: Batch) -> tuple[Batch, float]:
        """Insert and commit a batch; returns the next one and when it is due."""
        due = monotonic() + self._flush_s
        for table in TABLES:
            if table == TOUCHES:
                self._touch()
            elif pieces := batch.tables.get(table):
                self._write(table, pieces)
        self._source.done(batch.offsets)
        self._source.measure_lag()
        if batch.oldest_ms is not None:
            self._metrics.delay_seconds.observe(max(time() - batch.oldest_ms / 1000, 0.0))
        return Batch(), due

    def _write(self, table: str, pieces: list[Piece]) -> None:
        rows = sum(piece.rows for piece in pieces)
        refused: list[Refused] = []
        try:
            self._insert(table, b"\n".join(piece.ndjson for piece in pieces))
        except RowsRefused:
            lines = [line for piece in pieces for line in piece.lines()]
            refused = insert_around(lines, lambda block: self._insert(table, block), refused_limit(len(lines)))
            self._bury(table, refused)
        self._metrics.rows.labels(table).inc(rows - len(refused))

    def _touch(self) -> None:
        """Tell which hours the slices just inserted belong to."""
        rows = self._touches.rows()
        if rows:
            self._insert(TOUCHES, b"\n".join(rows))
            self._metrics.rows.labels(TOUCHES).inc(len(rows))
            self._touches.forget()

    def _insert(self, table: str, ndjson: bytes) -> None:
        seconds = self._patiently("clickhouse", lambda: self._tables.insert(table, ndjson))
        self._metrics.insert_seconds.labels(table).observe(seconds)
        self._touches.note(table, ndjson)

    def _bury(self, table: str, refused: list[Refused]) -> None:
        self._patiently("kafka", lambda: self._dead.send(refused))
        self._metrics.refused.labels(table).inc(len(refused))
        for letter in refused[:3]:
            log.error("row refused", table=table, origin=letter.origin, reason=letter.reason, of=len(refused))

    def _bury_unreadable(self, record: Record, batch: Unreadable) -> None:
        offsets = f"{batch.first}" if batch.first == record.offset else f"{batch.first} to {record.offset}"
        reason = f"record batch with offsets {offsets} cannot be decoded: {batch.reason}"
        origin = f"{record.topic}-{record.partition}-{batch.first}"
        # The producer takes bytes only, none of their kinds.
        self._patiently("kafka", lambda: self._dead.send([Refused(origin, bytes(batch), reason)]))
        self._metrics.unreadable.inc()
        log.error("record batch kept as dead letter and passed", origin=origin, reason=reason, size=len(batch))

    def _patiently(self, server: str, work: Callable[[], T]) -> T:
        """Try work that needs a server until it succeeds. Raises `Stopped` when asked to stop meanwhile."""
        wait_s = _SHORTEST_WAIT_S
        while True:
            try:
                result = work()
            except (ClickHouseAway, KafkaError) as error:
                self._metrics.failures.labels(server).inc()
                self._metrics.stalled.set(1)
                full = isinstance(error, DiskFull)
                self._metrics.disk_full.set(full)
                said = (
                    "the disk of ClickHouse is full: make room; trying again" if full else "cannot write; trying again"
                )
                log.error(said, server=server, error=str(error), wait_s=wait_s)
                self._source.hold(wait_s)
                if self._stopping.is_set():
                    raise Stopped from error
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                self._metrics.stalled.set(0)
                self._metrics.disk_full.set(0)
                return result


def _count(ndjson: bytes) -> int:
    """Rows of an NDJSON text; blank lines, which nobody writes, would count."""
    return ndjson.count(b"\n") + (not ndjson.endswith(b"\n")) if ndjson else 0
