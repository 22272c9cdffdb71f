"""A worker that stands still ends, whatever holds it up: shown on real workers in which one part is made to fail."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer

from schemas.topics import Topic
from tests.support.kafka import RunningBroker
from tests.support.stream import ROOT, Reader, environment, fresh_settings

pytestmark = pytest.mark.slow

PROGRAM = """
import asyncio, functools, time
from schemas.settings import Settings
from services import logs
from streams import agent, transport, watchdog, worker

watchdog.LOOK_S = 0.5
watchdog.Watchdog = functools.partial(watchdog.Watchdog, 4.0, 8.0)
settings = Settings()
logs.configure(settings, "worker")
started = time.monotonic()

def late():
    return time.monotonic() - started > 8.0

{fault}
worker.run(settings)
"""
FAULTS = {
    "the fetch loop waits for ever": """
getmany = transport.Consumer.getmany
async def hangs(self, timeout):
    if late():
        await asyncio.sleep(3600)
    async for found in getmany(self, timeout):
        yield found
transport.Consumer.getmany = hangs
""",
    "nothing is fetched any more": """
poll = transport.Consumer._poll
async def brings_nothing(self, wanted, rewinds):
    if not late():
        return await poll(self, wanted, rewinds)
    await asyncio.sleep(0.1)
    return transport.Polled({}, {tp: (self.reached.get(tp, 0), 0) for tp in wanted}, {})
transport.Consumer._poll = brings_nothing
""",
    "the event loop is blocked": """
work = agent.PartitionAgent._work
async def blocks(self, *args):
    if late():
        time.sleep(3600)
    await work(self, *args)
agent.PartitionAgent._work = blocks
""",
    "a gap is never healed": """
accepts = agent.Stage.accepts
agent.Stage.accepts = lambda self, chunk: not late() and accepts(self, chunk)
""",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_that_stands_still_ends(kafka: RunningBroker, tmp_path: Path, fault: str) -> None:
    settings = fresh_settings(kafka, tmp_path)
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(fault=FAULTS[fault])],
            cwd=ROOT, env=environment(settings), stdout=output, stderr=output,
        )  # fmt: skip
    producer = KafkaProducer(bootstrap_servers=settings.kafka)
    end = time.monotonic() + 60
    number = 0
    try:
        while process.poll() is None:
            assert time.monotonic() < end, log.read_text()
            event = {
                "event_id": "1", "type": "contact.opened", "occurred_at": datetime.now(UTC).isoformat(),
                "case_id": f"case-{number}", "channel": "chat",
            }  # fmt: skip
            number += 1
            producer.send(settings.topic(Topic.EVENTS), msgspec.json.encode(event), key=b"%d" % number)
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
        producer.close()
    assert process.returncode == 70, log.read_text()
    assert "worker stops: its partitions go on from their last checkpoints" in log.read_text()
    marks = Reader(settings, Topic.WATERMARKS)
    assert marks.poll(), "it worked before"
