"""A range is cut into whole days, hours and minutes that cover it exactly once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.tiers import DAY_MS, HOUR_MS, Piece, plan, tables

MINUTE_MS = 60_000
WIDTH_MS = {"hour": HOUR_MS, "day": DAY_MS}

minutes = st.integers(min_value=0, max_value=6 * 24 * 60)
levels = st.lists(
    st.one_of(
        st.tuples(st.just("hour"), st.integers(min_value=-2, max_value=6 * 24 + 2).map(lambda n: n * HOUR_MS)),
        st.tuples(st.just("day"), st.integers(min_value=-1, max_value=7).map(lambda n: n * DAY_MS)),
    ),
    max_size=60,
)


@given(minutes, minutes, levels)
def test_pieces_cover_the_range_once_with_the_widest_that_is_level(
    first: int, second: int, level: list[tuple[str, int]]
) -> None:
    from_ms, to_ms = min(first, second) * MINUTE_MS, max(first, second) * MINUTE_MS
    pieces = plan(from_ms, to_ms, level)
    tier_of = {at: piece.tier for piece in pieces for at in range(piece.from_ms, piece.to_ms, MINUTE_MS)}
    assert sum(piece.to_ms - piece.from_ms for piece in pieces) == to_ms - from_ms
    assert sorted(tier_of) == list(range(from_ms, to_ms, MINUTE_MS))
    for at, tier in tier_of.items():
        day, hour = at // DAY_MS * DAY_MS, at // HOUR_MS * HOUR_MS
        if ("day", day) in level and from_ms <= day and day + DAY_MS <= to_ms:
            assert tier == "day"
        elif ("hour", hour) in level and from_ms <= hour and hour + HOUR_MS <= to_ms:
            assert tier == "hour"
        else:
            assert tier == "minute"


@given(minutes, minutes, levels)
def test_pieces_are_whole_in_order_and_merged(first: int, second: int, level: list[tuple[str, int]]) -> None:
    pieces = plan(min(first, second) * MINUTE_MS, max(first, second) * MINUTE_MS, level)
    for piece in pieces:
        assert piece.from_ms < piece.to_ms
        width = WIDTH_MS.get(piece.tier, 1)
        assert piece.from_ms % width == 0 and piece.to_ms % width == 0
    for piece, following in pairwise(pieces):
        assert piece.to_ms == following.from_ms
        assert piece.tier != following.tier


def test_a_day_and_a_half_from_noon() -> None:
    level = [("day", 0), ("day", DAY_MS), *(("hour", hour * HOUR_MS) for hour in range(48))]
    assert plan(12 * HOUR_MS + MINUTE_MS, 2 * DAY_MS + MINUTE_MS, level) == [
        Piece("minute", 12 * HOUR_MS + MINUTE_MS, 13 * HOUR_MS),
        Piece("hour", 13 * HOUR_MS, DAY_MS),
        Piece("day", DAY_MS, 2 * DAY_MS),
        Piece("minute", 2 * DAY_MS, 2 * DAY_MS + MINUTE_MS),
    ]


def test_what_is_of_another_tier_or_not_whole_is_passed_over() -> None:
    assert plan(0, HOUR_MS, [("week", 0), ("hour", 1), ("day", 0)]) == [Piece("minute", 0, HOUR_MS)]


def test_an_empty_range_has_no_pieces() -> None:
    assert plan(5 * HOUR_MS, 5 * HOUR_MS, [("hour", 5 * HOUR_MS)]) == []


def test_each_tier_has_a_table() -> None:
    assert tables("contact") == {"day": "contact_days", "hour": "contact_hours", "minute": "contact_slices"}
