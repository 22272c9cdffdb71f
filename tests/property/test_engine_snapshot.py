"""State saved and restored at any cut goes on as if nothing had happened; what was half written is not seen."""

import random
from collections.abc import Callable
from datetime import timedelta

from hypothesis import given

from schemas.policy import PolicyFile
from schemas.times import to_ms
from streams.engine.checkpoint import Row
from streams.engine.snapshot import checkpoint_engine, new_engine
from tests.oracles import histories
from tests.oracles.contract import Json, parse, show
from tests.property.driving import assert_same, decoded, drawn, expected, policy_file, view
from tests.property.outputs import Told, without_elapsed
from tests.property.test_engine_laws import ticks

DAY_MS = 86_400_000
APART = timedelta(days=25)
"""Longer than a history, so that stream time only rises from one to the next."""


class Saved:
    """An engine whose rows are kept in a dict, as in the worker's table."""

    def __init__(self, policy: PolicyFile, rows: dict[str, bytes]) -> None:
        self.rows = rows
        self.engine, self.manifest = new_engine(policy, rows.get)
        self.manifest.epoch += 1
        self.position = self.manifest.position
        self.counter = self.manifest.counter
        first = checkpoint_engine(self.engine, self.manifest, self.position, self.counter)
        self._apply([*first.policies(), first.manifest_row()])

    def take(self, told: Told) -> None:
        """What the engine says goes to `told`."""
        self.counter += 1
        told.take(self.engine, self.manifest.epoch << 32 | self.counter)

    def save(
        self, told: Told, chill: bool = False, until: Callable[[], bool] = lambda: False, taken: bool = True
    ) -> None:
        """A checkpoint, torn off before the row at which `until` says so. `chill`: finished cases are packed away.
        `taken`: the broker takes the commit that follows."""
        self.take(told)
        idle_since = self.engine.arrival + 1 if chill else None
        checkpoint = checkpoint_engine(
            self.engine, self.manifest, self.position, self.counter, chill_idle_since=idle_since
        )
        for row in checkpoint.rows():
            if until():
                return
            self._apply([row])
        if until():
            return
        self._apply([checkpoint.manifest_row()])
        self.manifest = checkpoint.manifest
        if taken:
            self._apply(list(checkpoint.garbage()))

    def _apply(self, rows: list[Row]) -> None:
        for key, value in rows:
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value


@given(histories.randoms)
def test_a_restored_engine_goes_on_identically(rng: random.Random) -> None:
    policy, events = drawn(rng)
    now = histories.final(rng, events)
    coming, moments = histories.arrivals(rng, events), ticks(rng, events)
    compiled, told, rows = policy_file(policy), Told(), dict[str, bytes]()
    saved = Saved(compiled, rows)
    zombie: Saved | None = None
    while saved.position + 1 < len(coming):
        saved.position += 1
        saved.engine.apply(decoded(coming[saved.position]))
        if rng.randrange(6) == 0:
            saved.engine.settle()
        if rng.randrange(3) == 0:
            saved.engine.advance(moments[min(len(moments) - 1, saved.position)] if moments else -1)
        what = rng.randrange(12)
        if what < 3:
            saved.save(told, chill=what == 0)
        elif what == 3:
            before = view(saved.engine)
            saved.save(told)
            zombie, saved = saved, Saved(compiled, rows)
            assert saved.engine.cold or view(saved.engine) == before
        elif what == 4:  # killed while it saved: what it had told meanwhile is told again
            saved.save(told, until=lambda: rng.randrange(3) == 0)
            reached = saved.engine.now
            zombie, saved = None, Saved(compiled, rows)
            saved.engine.advance(reached)
            saved.engine.settle()
        elif what == 5 and zombie is not None:  # an owner that does not know it lost its partition saves once more
            zombie.engine.advance(zombie.engine.now + 1000)
            zombie.save(Told(), taken=False)
            zombie = None
    saved.engine.advance(to_ms(now))
    saved.engine.settle()
    saved.take(told)
    want = expected(coming, policy, now)
    if not saved.engine.cold:
        assert_same(view(saved.engine), want)
    assert_same(told.view(to_ms(now)), without_elapsed(want))


@given(histories.randoms)
def test_what_is_forgotten_stays_told(rng: random.Random) -> None:
    policy, base = histories.policy(rng), rng.choice(histories.BASES)
    compiled, told, rows = policy_file(policy), Told(), dict[str, bytes]()
    saved, everything = Saved(compiled, rows), list[Json]()
    for number in range(rng.randrange(2, 5)):
        coming = [
            _later(e, number) for e in histories.arrivals(rng, histories.history(rng, most=8, cases=4, base=base))
        ]
        everything += coming
        saved.engine.arrival = number * DAY_MS
        for event in coming:
            saved.engine.apply(decoded(event))
            if rng.randrange(6) == 0:
                saved.save(told, chill=rng.randrange(2) == 0)
        now = histories.final(rng, coming)
        saved.engine.advance(to_ms(now))
        saved.engine.settle()
        saved.take(told)
        saved.engine.forget(saved.engine.arrival + rng.choice((1, -DAY_MS)))
        saved.engine.slices.forget(saved.engine.arrival + rng.choice((1, 0, -DAY_MS)))
        saved.save(told, chill=rng.randrange(2) == 0)
        if rng.randrange(2):
            saved = Saved(compiled, rows)
        assert_same(told.view(to_ms(now)), without_elapsed(expected(everything, policy, now)))
    kept = {key.partition(".")[0] for key in rows if key.startswith("b")}
    assert len(kept) == sum(name[0] == "b" for name in saved.manifest.slots), "rows of emptied buckets are removed"


def _later(event: Json, number: int) -> Json:
    at = parse(event["occurred_at"]) + number * APART
    about = {"case_id": f"{number}-{event['case_id']}"} if event.get("case_id") else {}
    return event | about | {"occurred_at": show(at), "event_id": f"{event['event_id']}-{number}"}
