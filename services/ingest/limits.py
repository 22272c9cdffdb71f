"""What one request, and one caller, may ask of the door."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_EVENTS = 5_000
"""Events in one request (contract v1)."""

MAX_BODY_BYTES = 5 * 1024 * 1024
"""Size of a body, as sent and as unpacked (contract v1)."""

MAX_EVENT_BYTES = 1_000_000
"""Size of one event. A broker's default for a record batch (message.max.bytes) is 1,048,588."""

MAX_RECORD_BYTES = 900_000
"""Events are packed into records up to this size; only a single larger event makes a larger one."""


class IngestSettings(BaseSettings):
    """Knobs of the door only (prefix CONTACTPULSE_INGEST_)."""

    model_config = SettingsConfigDict(env_prefix="CONTACTPULSE_INGEST_", extra="ignore")

    max_in_flight: int = Field(default=32, ge=1)
    """Requests of one key under way at the same time; one more is answered by 429. A request holds its body a few
    times over until the broker has acknowledged, so 32 is at worst some 500 MB; a producer that waits for its
    answers never gets near it."""
    publish_timeout_s: float = Field(default=10.0, gt=0, le=120)
    """How long a request waits for the broker before it is answered by 503. A restart of a broker takes 3-5 s."""
