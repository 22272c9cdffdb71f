"""What a worker tells Prometheus, all of it in one place. Labels: only the source partition."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from streams.customer_partition import CustomerPartition
from streams.partition import SourcePartition
from streams.stage import Stage

_COUNTERS = {
    "events": "Events applied.",
    "duplicates": "Events whose id was known already.",
    "dead": "Events dead-lettered; look at contact.events.dead for the reasons.",
    "forwarded": "Events sent on to the partition of their case; a producer partitions otherwise.",
    "future": "Events dated more than 5 minutes ahead; a source's clock is wrong.",
    "gaps": "Times that fetched records were lost on the way in and read again.",
}
_OF_CASES: dict[str, tuple[str, Callable[[SourcePartition], float]]] = {
    "cases": ("Cases in memory.", lambda p: len(p.engine.cases)),
    "packed_cases": ("Finished cases packed away.", lambda p: len(p.engine.cold)),
    "open_cases": ("Open cases.", lambda p: p.engine.open_cases),
    "position": ("Last applied offset.", lambda p: p.position),
    "corrections": ("Histories folded anew for late events.", lambda p: p.engine.corrections),
    "stream_time_seconds": ("Stream time, Unix seconds.", lambda p: p.engine.now / 1000),
    "halted": ("1: stopped, too much of it is undecodable.", lambda p: float(p.halted is not None)),
}
_OF_CUSTOMERS: dict[str, tuple[str, Callable[[CustomerPartition], float]]] = {
    "customers": ("Customers in memory.", lambda p: len(p.customers.all)),
    "customer_position": ("Last applied offset of contact.customers.", lambda p: p.position),
    "customers_crowded": (
        "Times that a customer_id had so many contacts that the oldest were let go: a placeholder.",
        lambda p: p.customers.crowded,
    ),
    "customers_halted": ("1: stopped at a record that cannot be read.", lambda p: float(p.halted is not None)),
}
P = TypeVar("P", bound=Stage)


class WorkerMetrics:
    """Metrics of a worker, read from its partitions when asked; in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.stages: Callable[[], Iterable[Stage]] = tuple
        self.refused: Callable[[], bool] = lambda: False
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """The current values."""
        stages = list(self.stages())
        owned = [stage for stage in stages if isinstance(stage, SourcePartition)]
        for name, text in _COUNTERS.items():
            counter = CounterMetricFamily(f"contactpulse_worker_{name}", text, labels=["partition"])
            for partition in owned:
                counter.add_metric([str(partition.number)], getattr(partition.counts, name))
            yield counter
        refused = "1: the policy file was changed but is refused; the one before stays in force."
        yield GaugeMetricFamily("contactpulse_worker_policy_refused", refused, float(self.refused()))
        yield from _gauges(_OF_CASES, owned)
        yield from _gauges(_OF_CUSTOMERS, [stage for stage in stages if isinstance(stage, CustomerPartition)])
        text = "Cells of slices booked under other, because a dimension has too many values."
        folded = CounterMetricFamily("contactpulse_worker_folded", text, labels=["partition", "dimension"])
        for stage in stages:
            for dimension, n in stage.folded.items():
                folded.add_metric([str(stage.told_as), dimension], n)
        yield folded


def _gauges(told: Mapping[str, tuple[str, Callable[[P], float]]], partitions: Sequence[P]) -> Iterator[Metric]:
    for name, (text, read) in told.items():
        gauge = GaugeMetricFamily(f"contactpulse_worker_{name}", text, labels=["partition"])
        for partition in partitions:
            gauge.add_metric([str(partition.number)], read(partition))
        yield gauge
