"""How long properties look: quick by default; `CONTACTPULSE_HYPOTHESIS=deep` looks for many minutes."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from schemas.calendar import Calendar as CalendarModel
from streams import partition
from streams.engine import engine, policies, snapshot
from streams.engine.calendar import Calendar, make_calendar

# An example is a seed: there is nothing to shrink.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
COMMON = settings(deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", COMMON, max_examples=60)
settings.register_profile("deep", COMMON, max_examples=10_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deep runs take as long as they take."""
    if os.environ.get("CONTACTPULSE_HYPOTHESIS") == "deep":
        for item in items:
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(autouse=True, scope="package")
def small_scale() -> Iterator[None]:
    """Checkpoint buckets of two cases, so that a few cases fill, thin out and merge several; finished cases are packed
    away after a minute. Policies share their calendars, of which there are few: to work out their years takes most of
    the time otherwise."""
    calendars: dict[tuple[str, str], Calendar] = {}

    def shared(name: str, model: CalendarModel) -> Calendar:
        return calendars.setdefault((name, model.model_dump_json()), make_calendar(name, model))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policies, "make_calendar", shared)
        patch.setattr(engine, "BUCKET_CASES", 2)
        patch.setattr(snapshot, "SPARSE", 2)
        patch.setattr(partition, "CHILL_EVERY_MS", 1)
        patch.setattr(partition, "CHILL_AFTER_MS", 60_000)
        yield


settings.load_profile(os.environ.get("CONTACTPULSE_HYPOTHESIS", "quick"))
