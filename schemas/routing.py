"""Where a case lives: partition murmur2(key) mod N, as every Kafka client's default partitioner (Java's) has it."""

from functools import lru_cache

from kafka.partitioner.default import murmur2


@lru_cache(maxsize=131_072)
def _hash(key: str) -> int:
    # The hash is pure Python, 5 us a key; a case's events come close together, so remembering it halves the cost of
    # an event.
    hashed: int = murmur2(key.encode()) & 0x7FFFFFFF
    return hashed


def partition_of(key: str, partitions: int) -> int:
    """The partition of an event's routing key (`schemas.event.Event.key`)."""
    return _hash(key) % partitions
