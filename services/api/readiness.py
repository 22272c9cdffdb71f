"""GET /healthz and /readyz: alive, and what is missing before answers can be trusted."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from http import HTTPStatus
from importlib.resources import files
from typing import TypeAlias

from fastapi import APIRouter, Response

from schemas.rollup import CUSTOMER_STAGE
from services.api.answers import json_answer
from services.api.context import Context, ContextDependency
from services.api.freshness import Freshness, freshness
from services.local.disk import full_disk
from services.web.problems import Problem

Check: TypeAlias = Callable[[], list[str] | Awaitable[list[str]]]
"""Says what is missing, in words for an operator; nothing when all is well."""

STALE_MS = 5_000
"""A watermark leaves once a second and is stored within another; older than this a partition is not being worked on."""

_MIGRATIONS = "schema_migrations"
"""The ledger of applied migrations, kept by whoever applies them."""


def readiness_router(extra: Sequence[Check] = ()) -> APIRouter:
    """Routes for both probes; `extra` checks are asked besides our own."""
    router = APIRouter(tags=["Probes"])

    @router.get("/healthz", summary="Liveness")
    async def healthz() -> dict[str, str]:
        """200 while the process answers."""
        return {"status": "ok"}

    @router.get("/readyz", summary="Readiness", responses={503: {"description": "Names what is missing."}})
    async def readyz(context: ContextDependency) -> Response:
        """200 when ClickHouse answers and is migrated, every partition is worked on, and the disk has room."""
        missing = [f"disk: {left}"] if (left := full_disk(context.settings.data_dir)) else []
        missing += await _missing(context)
        for check in extra:
            found = check()
            missing += await found if inspect.isawaitable(found) else found
        if missing:
            detail = "not ready: " + "; ".join(missing)
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"}, missing=missing)
        return json_answer({"status": "ready"})

    return router


@lru_cache(maxsize=1)
def _shipped_migrations() -> frozenset[str]:
    folder = files("deploy") / "clickhouse" / "migrations"
    return frozenset(file.name for file in folder.iterdir() if file.name.endswith(".sql"))


async def _missing(context: Context) -> list[str]:
    try:
        applied = await context.database.rows(f"SELECT name FROM {_MIGRATIONS} FINAL")
        absent = _shipped_migrations() - {row["name"] for row in applied}
        if absent:
            return [f"ClickHouse migrations {', '.join(sorted(absent))}"]
        fresh = await freshness(context.database)
    except Problem as problem:
        return [problem.detail]
    now, partitions = context.now(), context.settings.partitions
    stages = {"stream partitions": 0, "stream partitions of customers": CUSTOMER_STAGE}
    return [said for name, first in stages.items() if (said := _behind(fresh, name, first, partitions, now))]


def _behind(fresh: Freshness, name: str, first: int, partitions: int, now: int) -> str:
    """What is wrong with a stage's partitions, which are numbered from `first`; empty when they are worked on."""
    lagging = fresh.lagging(range(first, first + partitions), now, STALE_MS)
    if not lagging:
        return ""
    behind = [now - fresh.stream_times[p] for p in lagging if p in fresh.stream_times]
    age = f"up to {max(behind) / 1000:.0f} s behind" if behind else "never heard of"
    return f"{name} {', '.join(str(p - first) for p in lagging)} of {partitions} ({age}; is a worker running?)"
