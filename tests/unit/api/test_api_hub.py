"""The hub: one computation for all listeners of a view, none for nobody."""

import asyncio
from collections import Counter

import pytest

from services.api.board.hub import MAX_VIEWS, Hub
from services.web.problems import Problem


class Counted:
    """Computes a running number per view and counts how often."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()
        self._computed = asyncio.Condition()

    async def __call__(self, view: str) -> bytes:
        async with self._computed:
            self.times[view] += 1
            self._computed.notify_all()
        await asyncio.sleep(0)
        return f"{view} {self.times[view]}".encode()

    async def until(self, view: str, times: int) -> None:
        """Waits until a view was computed so often."""
        async with asyncio.timeout(30), self._computed:
            await self._computed.wait_for(lambda: self.times[view] >= times)


async def _take(hub: Hub[str], view: str, count: int) -> list[bytes]:
    found: list[bytes] = []
    listening = hub.listen(view)
    async for event in listening:
        found.append(event)
        if len(found) == count:
            break
    await listening.aclose()  # type: ignore[attr-defined]
    return found


def test_listeners_of_one_view_share_what_is_computed() -> None:
    async def scenario() -> None:
        counted = Counted()
        hub = Hub(counted, every_s=0.02)
        taken = await asyncio.gather(*(_take(hub, "all", 3) for _ in range(20)))
        assert all(events == [b"all 1", b"all 2", b"all 3"] for events in taken)
        assert counted.times["all"] <= 4

    asyncio.run(scenario())


def test_nothing_is_computed_once_nobody_listens() -> None:
    async def scenario() -> None:
        counted = Counted()
        hub = Hub(counted, every_s=0.0)
        await _take(hub, "all", 2)
        before = counted.times["all"]
        # Another view is computed ten times more: had the first one gone on, it would have been too.
        await _take(hub, "other", 1)
        other = asyncio.create_task(_take(hub, "other", 10_000_000))
        await counted.until("other", 10)
        assert counted.times["all"] == before
        assert await _take(hub, "all", 1) == [f"all {before + 1}".encode()]
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)

    asyncio.run(scenario())


def test_too_many_different_views_are_refused_while_watched() -> None:
    async def scenario() -> None:
        counted = Counted()
        hub = Hub(counted, every_s=0.01)
        watching = [asyncio.create_task(_take(hub, str(number), 10_000_000)) for number in range(MAX_VIEWS)]
        for number in range(MAX_VIEWS):
            await counted.until(str(number), 1)
        with pytest.raises(Problem, match="different filters"):
            hub.check_room("one more")
        hub.check_room("0")
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        hub.check_room("one more")
        await hub.close()

    asyncio.run(scenario())
