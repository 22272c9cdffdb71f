"""Each broker the product runs on, and a prefix of its own for every test."""

import pytest

from schemas.settings import Settings
from services.provision import ensure_topics
from tests.support.kafka import RunningBroker, fresh_prefix, kafka, tansu

__all__ = ["kafka", "tansu"]


@pytest.fixture(params=["kafka", "tansu"])
def broker(request: pytest.FixtureRequest) -> RunningBroker:
    """A running broker: Apache Kafka, then Tansu."""
    running: RunningBroker = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def settings(broker: RunningBroker) -> Settings:
    """Settings with topics that exist, for this test alone."""
    made = Settings(kafka=broker.bootstrap, topic_prefix=fresh_prefix(), partitions=4)
    ensure_topics(made)
    return made
