"""What the door counts. Names and meaning in one place."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.web.metrics import PREFIX


class IngestMetrics:
    """Metrics of one door, in the registry of its app."""

    def __init__(self, registry: CollectorRegistry) -> None:
        events = Counter(f"{PREFIX}ingest_events_total", "Events by result.", ("result",), registry=registry)
        self.accepted = events.labels("accepted")
        """Acknowledged by the broker."""
        self.rejected = events.labels("rejected")
        """Refused one by one as invalid: look at the producer."""
        self.unsure = events.labels("unsure")
        """Answered with 503; the producer sends them again."""
        self.ahead = Counter(
            f"{PREFIX}ingest_events_ahead_total",
            "Events taken although dated more than 5 min in the future: a source's clock is wrong.",
            registry=registry,
        )
        self.body_bytes = Counter(f"{PREFIX}ingest_body_bytes_total", "Bytes of bodies, unpacked.", registry=registry)
        self.publish_seconds = Histogram(
            f"{PREFIX}ingest_publish_duration_seconds",
            "Time from handing a request's records to the producer until all are acknowledged.",
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.broker_up = Gauge(
            f"{PREFIX}ingest_broker_up", "1 while Kafka can be reached, else 0: requests get 503.", registry=registry
        )
        self.in_flight = Gauge(f"{PREFIX}ingest_requests_in_flight", "Requests under way.", registry=registry)
