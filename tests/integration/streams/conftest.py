"""One Kafka and one Tansu for all tests of the stream part: a fixture that each module imports starts one for each."""

from tests.support.kafka import kafka, tansu

__all__ = ["kafka", "tansu"]
