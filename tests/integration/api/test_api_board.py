"""What a browser is sent: a snapshot of a real database, and a red line while a policy is refused."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from services.api.board.stream import BoardSource
from services.api.board.view import View
from services.api.context import Context
from services.api.database import Database
from services.api.policy_in_force import PolicyInForce
from tests.integration.api.conftest import NOW, Warehouse


def _sent(warehouse: Warehouse, policy: Path | None, data_dir: Path) -> tuple[bytes, dict[str, Any]]:
    async def ask() -> bytes:
        database = Database(warehouse.settings.clickhouse.get_secret_value())
        settings = warehouse.settings.model_copy(update={"policy": policy, "data_dir": data_dir})
        try:
            return await BoardSource(Context(settings, database, lambda: NOW, PolicyInForce(settings))).event(View())
        finally:
            await database.close()

    name, _, data = asyncio.run(ask()).partition(b"\ndata: ")
    return name, msgspec.json.decode(data)


def test_a_refused_policy_is_told_beside_the_figures(warehouse: Warehouse, tmp_path: Path) -> None:
    name, board = _sent(warehouse, None, tmp_path)
    assert (name, board["policy_refused"]) == (b"event: board", None)
    bad = tmp_path / "policy.yaml"
    bad.write_text("version: 7\n")
    name, board = _sent(warehouse, bad, tmp_path)
    assert name == b"event: board" and "policy.yaml" in board["policy_refused"]
    assert board["as_of_ms"] == NOW
