"""What the store tells Prometheus. All label sets exist from the start, at zero."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.store.routes import TABLES, UNROUTED


class StoreMetrics:
    """The store's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rows = Counter(
            "contactpulse_store_rows",
            "Rows inserted into ClickHouse. A row inserted again after a restart counts again.",
            ["table"],
            registry=self.registry,
        )
        self.refused = Counter(
            "contactpulse_store_refused_rows",
            "Rows ClickHouse refused, kept in the dead-letter topic. Should be 0: look there for the reason.",
            ["table"],
            registry=self.registry,
        )
        self.unreadable = Counter(
            "contactpulse_store_unreadable_batches",
            "Record batches that cannot be decoded, kept in the dead-letter topic. Should be 0: see there why.",
            registry=self.registry,
        )
        self.failures = Counter(
            "contactpulse_store_failures",
            "Tries that failed and are repeated: the server named was away or unwell.",
            ["server"],
            registry=self.registry,
        )
        self.insert_seconds = Histogram(
            "contactpulse_store_insert_seconds",
            "How long an insert took.",
            ["table"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self.delay_seconds = Histogram(
            "contactpulse_store_delay_seconds",
            "From a record's append to Kafka until its rows could be read, for the oldest record of each flush.",
            buckets=(0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60, 300),
            registry=self.registry,
        )
        self.lag = Gauge(
            "contactpulse_store_lag_records",
            "Records known to be in Kafka and not yet in ClickHouse.",
            ["topic"],
            registry=self.registry,
        )
        self.stalled = Gauge(
            "contactpulse_store_stalled",
            "1 while a flush is being tried again because ClickHouse or Kafka is away, else 0.",
            registry=self.registry,
        )
        self.disk_full = Gauge(
            "contactpulse_store_clickhouse_disk_full",
            "1 while ClickHouse takes no rows because its disk is full, else 0. Make room; nothing is lost meanwhile.",
            registry=self.registry,
        )
        self.to_roll = Gauge(
            "contactpulse_store_hours_to_roll",
            "Hours of slices that are over and not rolled up to their newest slice. Thousands after an import.",
            registry=self.registry,
        )
        self.rolled = Counter(
            "contactpulse_store_rolled",
            "Hours and days of slices rolled up. One whose slices changed afterwards counts again.",
            ["tier"],
            registry=self.registry,
        )
        self.roll_seconds = Histogram(
            "contactpulse_store_roll_seconds",
            "How long it took to roll up a batch of hours or days.",
            ["tier"],
            buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self.registry,
        )
        self.roll_failures = Counter(
            "contactpulse_store_roll_failures",
            "Tries to roll up that failed and are repeated. Answers stay right meanwhile, but cost more.",
            registry=self.registry,
        )
        for tier in ("hour", "day"):
            self.rolled.labels(tier)
            self.roll_seconds.labels(tier)
        for table in TABLES:
            self.rows.labels(table)
            self.refused.labels(table)
            self.insert_seconds.labels(table)
        self.refused.labels(UNROUTED)
        for server in ("clickhouse", "kafka"):
            self.failures.labels(server)
