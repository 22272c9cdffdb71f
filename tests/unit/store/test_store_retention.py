"""Minutes are kept long enough for hours and days to be made of them."""

import pytest
from pydantic import ValidationError

from schemas.settings import Settings
from services.store.retention import retention_days


def test_by_default_only_events_and_histories_go() -> None:
    kept = retention_days(Settings())
    assert kept["events"] == kept["event_arrivals"] == 400
    assert {days for table, days in kept.items() if table.endswith("_history")} == {90}
    assert {
        days for table, days in kept.items() if not table.startswith("event") and not table.endswith("_history")
    } == {0}


@pytest.mark.parametrize("days", [0, 30, 4000])
def test_slices_are_kept_for_ever_or_a_month(days: int) -> None:
    assert retention_days(Settings(slices_retention_days=days))["contact_slices"] == days


@pytest.mark.parametrize("days", [-1, 1, 29])
def test_a_retention_that_would_drop_minutes_too_early_is_refused(days: int) -> None:
    with pytest.raises(ValidationError, match="slices_retention_days"):
        Settings(slices_retention_days=days)
