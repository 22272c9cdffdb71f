"""A store between a real Kafka and a real ClickHouse engine."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from schemas.settings import Settings
from services.provision import ensure_topics
from tests.integration.store.bench import Bench, ClickHouse, MakeBench, fresh_url
from tests.support.kafka import RunningBroker, fresh_prefix, kafka

__all__ = ["kafka"]


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """ClickHouse's engine behind HTTP, shared by the session's tests."""
    running = ClickHouse(tmp_path_factory.mktemp("clickhouse") / "data")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def make_bench(
    kafka: RunningBroker, clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeBench]:
    """Makes benches: topics and a database of their own, no store process yet."""
    benches: list[Bench] = []

    def make() -> Bench:
        settings = Settings(
            kafka=kafka.bootstrap,
            topic_prefix=fresh_prefix(),
            partitions=2,
            clickhouse=SecretStr(fresh_url(clickhouse)),
            session_timeout_s=1,
            store_flush_s=0.1,
        )
        ensure_topics(settings)
        bench = Bench(settings, tmp_path_factory.mktemp("store") / "store.log")
        benches.append(bench)
        return bench

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> Iterator[Bench]:
    """Topics and a database of this test alone, no store process yet."""
    bench = make_bench()
    yield bench
    bench.close()
