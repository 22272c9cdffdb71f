"""The committed OpenAPI description follows the code."""

from pathlib import Path

import pytest

from services.api.docs import openapi_text
from tests.unit.api.conftest import nowhere

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"


def test_the_committed_description_is_up_to_date() -> None:
    if not COMMITTED.exists():
        pytest.fail("run: python -m services.api.docs docs/openapi.json")
    current = openapi_text(nowhere())
    assert COMMITTED.read_text(encoding="utf-8") == current, "run: python -m services.api.docs docs/openapi.json"
