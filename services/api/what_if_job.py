"""The process that works out what-ifs: one at a time, for a limited time, while somebody waits for it."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

import msgspec
import structlog

from schemas.settings import Settings
from services.local.process import leashed
from services.web.problems import Problem
from services.what_if.job import Ask, Said

RETRY_AFTER_S = 5

_PROGRAM = (sys.executable, "-m", "services.what_if.job")
_LONGEST_LINE = 64 * 2**20

_log = structlog.get_logger(__name__)


class Job:
    """The one what-if that may run at a time.

    The work is a task of its own that owns the process and the place: whatever becomes of who asked, both are free
    again once it ends. It ends with an answer, at the time limit, or when nobody waits any more.
    """

    def __init__(self, settings: Settings) -> None:
        self._clickhouse = settings.clickhouse
        self._timeout_s = settings.what_if_timeout_s
        self._work: asyncio.Task[None] | None = None

    async def ask(self, ask: Ask, client_gone: Callable[[], Awaitable[None]]) -> AsyncGenerator[Said, None]:
        """What the process says, line by line. Its work ends when `client_gone` returns or this generator is closed.

        Raises Problem 429 while another one runs, 504 at the time limit, 500 where it ends without an answer.
        """
        if self._work is not None and not self._work.done():
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "another what-if is being worked out; one runs at a time",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        lines: asyncio.Queue[Said | Problem] = asyncio.Queue()
        work = self._work = asyncio.create_task(self._run(ask, lines), name="what-if")
        watch = asyncio.create_task(_cancel_when(client_gone, work), name="what-if client")
        try:
            while True:
                said = await lines.get()
                if isinstance(said, Problem):
                    raise said
                yield said
                if said.progress is None:
                    return
        finally:
            watch.cancel()
            work.cancel()
            # Whoever was answered may ask again at once: the place is free by then.
            await asyncio.wait([work])

    async def _run(self, ask: Ask, lines: asyncio.Queue[Said | Problem]) -> None:
        """Puts what the process says into `lines`, at last an answer or a Problem."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._talk(ask, lines)
            lines.put_nowait(_problem("the what-if ended without an answer; see the log"))
        except TimeoutError:
            _log.warning("what_if_took_too_long", timeout_s=self._timeout_s)
            detail = (
                f"the what-if was not done within {self._timeout_s:g} s (CONTACTPULSE_WHAT_IF_TIMEOUT_S) and was given"
                " up; ask about fewer cases, or use `contactpulse what-if`, which has no limit"
            )
            lines.put_nowait(Problem(HTTPStatus.GATEWAY_TIMEOUT, detail))
        except asyncio.CancelledError:
            lines.put_nowait(Problem(HTTPStatus.REQUEST_TIMEOUT, "the client left"))
            raise
        except Exception:
            _log.exception("what_if_failed")
            lines.put_nowait(_problem("the what-if failed; see the log"))

    async def _talk(self, ask: Ask, lines: asyncio.Queue[Said | Problem]) -> None:
        process = await asyncio.create_subprocess_exec(
            *leashed(_PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            env=os.environ | {"CONTACTPULSE_CLICKHOUSE": self._clickhouse.get_secret_value()},
            process_group=0,
        )
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(msgspec.json.encode(ask))
            process.stdin.close()
            async for line in process.stdout:
                lines.put_nowait(msgspec.json.decode(line, type=Said))
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            # Shielded: work that is cancelled twice must still not leave a process behind unwaited.
            await asyncio.shield(process.wait())


async def _cancel_when(happens: Callable[[], Awaitable[None]], work: asyncio.Task[None]) -> None:
    await happens()
    work.cancel()


def _problem(detail: str) -> Problem:
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
