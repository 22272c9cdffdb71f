"""Settings of all processes, read from the environment (prefix CONTACTPULSE_) and validated before anything starts."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """One class for every process: a cluster sets the same environment everywhere, `contactpulse up` makes it."""

    model_config = SettingsConfigDict(env_prefix="CONTACTPULSE_", extra="ignore")

    kafka: str = "127.0.0.1:9092"
    """Bootstrap servers, HOST:PORT, comma separated."""
    topic_prefix: str = ""
    """Put before every topic name and consumer group, so that several installations share one cluster."""
    partitions: int = Field(default=4, ge=1, le=1024)
    """Partitions of every topic. Fixed at creation: a case lives in partition murmur2(case_id) mod this."""
    replication_factor: int = Field(default=1, ge=1)
    """Copies of each partition; 3 in production, 1 on one machine."""
    events_retention_h: float = Field(default=168.0, gt=0)
    """How long Kafka keeps events by the time they were *appended*, so that importing old history loses none of it."""

    clickhouse: SecretStr = SecretStr("http://default:@127.0.0.1:8123/contactpulse")
    """URL of the ClickHouse HTTP interface: http[s]://user:password@host:port/database. It may hold a password."""

    policy: Path | None = None
    """Policy file; unset: the shipped default."""
    api_key: SecretStr | None = None
    """A key with all scopes. Ingest and API refuse to start without one."""
    data_dir: Path = Path("contactpulse-data")
    """Where `up` and the embedded parts keep everything."""

    lateness_s: float = Field(default=0.3, ge=0, le=60)
    """Live stream time runs this far behind the wall clock, so that a stop sent just before its due instant is in
    before the deadline is judged."""
    checkpoint_s: float = Field(default=2.0, gt=0)
    """Least time between two checkpoints of a partition; under load it also waits five times its length."""
    rollup_every_s: float = Field(default=0.25, gt=0)
    """Changed slices leave at most this often."""
    retain_h: float = Field(default=72.0, gt=0)
    """A finished case is remembered this long after it was last touched; within it late, corrected and duplicate events
    are handled exactly. Packed away it takes about 1 kB of a worker's memory."""
    drain_undecodable: bool = False
    """True: a worker dead-letters undecodable events however many there are, instead of halting their partition; for
    getting past a known bad stretch."""
    session_timeout_s: float = Field(default=6.0, ge=1)
    """Kafka group session: how long a killed worker's partitions wait. 6 s is the usual minimum of brokers."""
    store_flush_s: float = Field(default=0.5, gt=0)
    """The store inserts into ClickHouse about this often."""
    what_if_timeout_s: float = Field(default=120.0, gt=0)
    """How long POST /v1/what-if may take before it is given up: some 7 million events on one core. Only one runs at a
    time, so without a limit one question about years would refuse all others."""

    log_json: bool = False
    """Log lines as JSON (for collectors) instead of for people."""

    events_retention_days: int = Field(default=400, ge=0)
    """How long ClickHouse keeps events after they came; 0: for ever. 400 days hold a year and the month before it."""
    outcomes_retention_days: int = Field(default=0, ge=0)
    """How long ClickHouse keeps clock outcomes after they were last told; 0: for ever."""
    slices_retention_days: int = Field(default=0, ge=0)
    """How long ClickHouse keeps one-minute slices and cases after they were last told; 0: for ever. At least 30 days:
    hours and days are made of the minutes, and must be done before these go."""
    histories_retention_days: int = Field(default=90, ge=0)
    """How long ClickHouse keeps every version told of outcomes, slices and cases, for `as_of`; 0: for ever."""

    @field_validator("slices_retention_days")
    @classmethod
    def _long_enough(cls, days: int) -> int:
        if 0 < days < 30:
            raise ValueError("0 or at least 30")
        return days

    def topic(self, name: str) -> str:
        """The full name of a topic in the broker."""
        return f"{self.topic_prefix}{name}"
