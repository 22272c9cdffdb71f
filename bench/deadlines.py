"""How soon a deadline is noticed with a million open clocks and no traffic: `python -m bench.deadlines`.

Four partitions in one process, ticked ten times a second as the worker ticks them, checkpoints packed as it packs them;
only Kafka is left out. Prints how long after its due instant a breach is told, the worker's lateness included.
"""

import argparse
import gc
import resource
import sys
import time

import msgspec

from schemas.event import Event
from schemas.policy import parse_policy
from schemas.routing import partition_of
from schemas.settings import Settings
from schemas.times import parse, text
from streams.factory import wall_clock
from streams.partition import Retention, SourcePartition
from streams.transport import TICK_S, Chunk

PARTITIONS = 4
CLOCKS = ("first_response", "next_response", "resolution")
POLICY = """
version: 1
policies:
  - name: hours
    clocks:
      first_response: {target: 1h}
      next_response: {target: 1h}
      resolution: {target: 2h}
"""


def main() -> None:
    """Fills, ticks and prints."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clocks", type=int, default=1_000_000)
    options.add_argument("--seconds", type=float, default=30)
    arguments = options.parse_args()
    settings = Settings()
    partitions = filled(arguments.clocks // len(CLOCKS))
    timers = sum(len(p.engine._timers) for p in partitions)
    size = sum(sys.getsizeof(p.engine._timers) + sum(map(sys.getsizeof, p.engine._timers)) for p in partitions)
    print(f"{arguments.clocks:,} open clocks, {timers:,} timers of {size / timers:.0f} bytes, "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB resident")  # fmt: skip
    lags = sorted(tick(partitions, settings, arguments.seconds))
    p50, p99 = (lags[min(len(lags) - 1, int(len(lags) * share))] for share in (0.5, 0.99))
    found = f"{len(lags):,} breaches in {arguments.seconds:g} s"
    print(f"{found} told after p50 {p50} ms, p99 {p99} ms, most {lags[-1]} ms")


def filled(cases: int) -> list[SourcePartition]:
    """Partitions with so many cases, opened evenly over the last hour, of which each waits for an answer."""
    policy, retention = parse_policy(POLICY), Retention(10**9)
    partitions = [
        SourcePartition(number, PARTITIONS, policy, retention, lambda key: None, wall_clock())
        for number in range(PARTITIONS)
    ]
    gc.disable()
    begin = wall_clock() - 3_600_000
    for number in range(cases):
        at = begin + 3_600_000 * number // cases
        case = f"case-{number}"
        engine = partitions[partition_of(case, PARTITIONS)].engine
        for kind in ("contact.opened", "message.customer"):
            engine.apply(msgspec.convert({"event_id": f"{kind}-{number}", "type": kind, "occurred_at": text(at),
                                          "case_id": case, "channel": "chat"}, Event))  # fmt: skip
    for partition in partitions:
        partition.engine.advance(wall_clock())
        partition.outcomes()
        checkpoint(partition)
    gc.enable()
    gc.collect()
    gc.freeze()
    return partitions


def tick(partitions: list[SourcePartition], settings: Settings, seconds: float) -> list[int]:
    """Lets time pass; returns how late each breach was told, in ms."""
    lags: list[int] = []
    decode = msgspec.json.Decoder(dict).decode
    lateness = round(settings.lateness_s * 1000)
    took = dict.fromkeys(range(PARTITIONS), 0.0)
    saved = dict.fromkeys(range(PARTITIONS), time.monotonic())
    first, until = wall_clock(), time.monotonic() + seconds
    while (begin := time.monotonic()) < until:
        for partition in partitions:
            partition.feed(Chunk([], 0, None, 0), wall_clock())
            partition.advance(wall_clock(), lateness, 0)
            sends = partition.outcomes()
            told = wall_clock()
            for send in sends:
                for line in send.value.split(b"\n"):
                    outcome = decode(line)
                    if outcome["state"] == "breached" and (due := parse(outcome["due_at"])) >= first:
                        lags.append(told - due)
            clock = time.monotonic()
            if clock - saved[partition.number] >= max(settings.checkpoint_s, 5 * took[partition.number]):
                checkpoint(partition)
                saved[partition.number] = time.monotonic()
                took[partition.number] = saved[partition.number] - clock
        time.sleep(max(0.0, TICK_S - (time.monotonic() - begin)))
    return lags


def checkpoint(partition: SourcePartition) -> None:
    """Packs what changed, and forgets the rows."""
    partition.slices()
    checkpoint = partition.checkpoint(wall_clock(), 0)
    for _ in checkpoint.rows():
        pass
    checkpoint.manifest_row()
    partition.manifest = checkpoint.manifest


if __name__ == "__main__":
    main()
