import asyncio

import pytest

from services.api.kept import Kept


class Source:
    """Answers with how often it was asked, when told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.fails = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def ask(self) -> int:
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        if self.fails:
            raise OSError("away")
        return number


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_an_answer_is_kept_for_half_its_time_and_renewed_behind_readers_until_it_is_too_old() -> None:
    async def scenario() -> None:
        clock, source = Clock(), Source()
        kept: Kept[int] = Kept(1.0, clock)
        assert await kept.get("k", source.ask) == 1
        clock.now += 0.4
        assert await kept.get("k", source.ask) == 1
        assert source.asked == 1
        clock.now += 0.2  # past half: the old one at once, a new one on its way
        assert await kept.get("k", source.ask) == 1
        await settle()
        assert source.asked == 2
        assert await kept.get("k", source.ask) == 2
        clock.now += 1.0  # too old: waited for
        assert await kept.get("k", source.ask) == 3

    asyncio.run(scenario())


def test_readers_of_one_key_share_a_question_and_other_keys_have_their_own() -> None:
    async def scenario() -> None:
        source, other = Source(), Source()
        kept: Kept[int] = Kept(1.0, Clock())
        source.may_answer.clear()
        readers = [asyncio.create_task(kept.get("k", source.ask)) for _ in range(5)]
        await settle()
        readers[0].cancel()  # goes away; the others still get it
        assert await kept.get("l", other.ask) == 1
        source.may_answer.set()
        assert await asyncio.gather(*readers[1:]) == [1] * 4
        assert source.asked == 1

    asyncio.run(scenario())


def test_a_failure_is_told_to_those_who_wait_and_not_kept() -> None:
    async def scenario() -> None:
        clock, source = Clock(), Source()
        kept: Kept[int] = Kept(1.0, clock)
        source.fails = True
        with pytest.raises(OSError, match="away"):
            await kept.get("k", source.ask)
        source.fails = False
        assert await kept.get("k", source.ask) == 2
        source.fails = True
        clock.now += 0.6
        assert await kept.get("k", source.ask) == 2  # renewing fails: what is known is good for a while
        await settle()
        clock.now += 0.6
        with pytest.raises(OSError, match="away"):
            await kept.get("k", source.ask)

    asyncio.run(scenario())


def test_an_answer_counts_its_age_from_when_it_was_asked_for() -> None:
    async def scenario() -> None:
        clock, source = Clock(), Source()
        kept: Kept[int] = Kept(1.0, clock)
        source.may_answer.clear()
        reader = asyncio.create_task(kept.get("k", source.ask))
        await settle()
        clock.now += 2.0
        source.may_answer.set()
        assert await reader == 1
        assert await kept.get("k", source.ask) == 2

    asyncio.run(scenario())


def test_without_time_to_keep_every_reader_asks() -> None:
    async def scenario() -> None:
        source = Source()
        kept: Kept[int] = Kept(0.0)
        assert [await kept.get("k", source.ask) for _ in range(3)] == [1, 2, 3]

    asyncio.run(scenario())
