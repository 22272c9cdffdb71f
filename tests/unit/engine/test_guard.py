"""What slices tell apart is bounded: too many values of a dimension, too many tuples of a minute."""

from schemas.rollup import DIMENSIONS, OTHER
from streams.engine.facts import Dims, DimsTable
from streams.engine.guard import DAY_MINUTES, KEPT_DAYS, Guard
from streams.engine.slices import MINUTE_MS, Slices


def dims(table: DimsTable, **values: str) -> Dims:
    """The tuple with these values."""
    return table.of(tuple(values.get(name) for name in DIMENSIONS))  # type: ignore[arg-type]


def test_values_beyond_the_limit_count_as_other() -> None:
    table = DimsTable()
    guard = Guard(table, values={"category": 2, "agent_id": 10})
    slices = Slices(guard)
    for name in ("a", "b", "c", "d", "a"):
        slices.add(0, dims(table, category=name, channel="app"), "opened")
    counts = {cell.dims.values[5]: cell.counts["opened"] for cell in slices.cells()}
    assert counts == {"a": 2, "b": 1, OTHER: 2}
    assert guard.folded == {"category": 2}


def test_what_was_folded_is_taken_back_where_it_was_booked() -> None:
    table = DimsTable()
    slices = Slices(Guard(table, values={"category": 1}))
    for name in ("a", "b", "c"):
        slices.add(0, dims(table, category=name), "opened")
    slices.sign = -1
    for name in ("c", "a", "b"):
        slices.add(0, dims(table, category=name), "opened")
    assert all(cell.counts["opened"] == 0 for cell in slices.cells())


def test_too_many_tuples_of_a_minute_fold_the_widest_dimension_first() -> None:
    table = DimsTable()
    slices = Slices(Guard(table, tuples=3))
    for number in range(6):
        slices.add(0, dims(table, agent_id=f"agent{number}", team="a", channel="app"), "opened")
    found = {cell.dims.values[2]: cell.counts["opened"] for cell in slices.cells()}
    assert found == {"agent0": 1, "agent1": 1, "agent2": 1, OTHER: 3}
    assert {cell.dims.values[1] for cell in slices.cells()} == {"a"}, "no more is folded than must be"
    slices.add(MINUTE_MS, dims(table, agent_id="agent5", team="a", channel="app"), "opened")
    assert any(cell.dims.values[2] == "agent5" for cell in slices.cells()), "the next minute has room again"


def test_the_next_dimension_is_folded_when_half_as_many_again_have_come() -> None:
    table = DimsTable()
    guard = Guard(table, tuples=6)
    slices = Slices(guard)
    for number in range(16):
        slices.add(0, dims(table, agent_id=f"a{number}", queue=f"q{number}"), "opened")
    found = [(cell.dims.values[2], cell.dims.values[6], cell.counts["opened"]) for cell in slices.cells()]
    assert found == [
        *((f"a{n}", f"q{n}", 1) for n in range(6)),
        (OTHER, OTHER, 7),
        *((OTHER, f"q{n}", 1) for n in (6, 7, 8)),
    ]
    assert guard.folded == {"agent_id": 10, "queue": 7}


def test_channels_and_priorities_are_never_folded() -> None:
    table = DimsTable()
    slices = Slices(Guard(table, tuples=1))
    for channel in ("app", "chat", "phone"):
        for priority in ("L1", "L2"):
            slices.add(0, dims(table, channel=channel, priority=priority, queue="q"), "opened")
    assert len({(cell.dims.values[0], cell.dims.values[3]) for cell in slices.cells()}) == 6


def test_the_values_of_a_day_are_remembered_and_old_days_let_go() -> None:
    table = DimsTable()
    guard = Guard(table, values={"category": 1})
    guard.admit(0, dims(table, category="a"), {})
    again = Guard(table, values={"category": 1})
    again.load(0, guard.dump(0))
    assert again.admit(0, dims(table, category="b"), {}).values[5] == OTHER
    assert again.admit(0, dims(table, category="a"), {}).values[5] == "a"
    for day in range(1, KEPT_DAYS + 5):
        again.admit(day * DAY_MINUTES, dims(table, category="b"), {})
    assert len(again.days) == KEPT_DAYS
    assert again.admit(30 * DAY_MINUTES, dims(table, category="c"), {}).values[5] == "c", "each day has its own"
