"""What was known when, how far back that is kept, and how fresh the data is."""

import pytest

from schemas.times import parse, text
from services.api.freshness import Freshness
from services.api.history import NOW_KNOWN, Known, check_kept, known_at
from services.web.problems import Problem

NOW = parse("2026-03-02T10:20:30.500Z")
DAY_MS = 86_400_000


def test_what_was_told_is_kept_to_the_millisecond_of_so_many_days() -> None:
    oldest = NOW - 90 * DAY_MS
    assert check_kept("from", oldest, NOW, 90) == oldest
    with pytest.raises(Problem, match=r"from: .* kept for 90 days"):
        check_kept("from", oldest - 1, NOW, 90)
    assert check_kept("from", oldest - 1, NOW, 91) == oldest - 1
    assert check_kept("from", 0, NOW, 0) == 0, "0 keeps all"


def test_of_the_future_no_more_is_known_than_now() -> None:
    assert known_at(None, NOW, 90) is NOW_KNOWN
    assert known_at(text(NOW - 1), NOW, 90) == Known(NOW - 1)
    assert known_at(text(NOW + 5_000), NOW, 90) == Known(NOW)
    assert (Known(5).moment(NOW), NOW_KNOWN.moment(NOW)) == (5, NOW)
    assert (Known(0).stated(), NOW_KNOWN.stated()) == ({"as_of": "1970-01-01T00:00:00.000Z"}, {})
    assert (Known(0).parameters, NOW_KNOWN.parameters) == ({"as_of_ms": 0}, {})


def test_the_slowest_partition_says_how_fresh_the_data_is() -> None:
    fresh = Freshness({0: NOW - 300, 1: NOW - 7_000, 2: NOW + 40}, 3, {"team": 2, "agent_id": 1})
    assert (fresh.stream_time, fresh.behind_ms(NOW)) == (NOW - 7_000, 7_000)
    assert list(fresh.stated(NOW).items()) == [
        ("stream_time", text(NOW - 7_000)),
        ("behind_s", 7.0),
        ("folded", {"agent_id": 1, "team": 2}),
    ]
    assert Freshness({2: NOW + 40}, 0).behind_ms(NOW) == 0, "a clock that runs ahead is not the future"
    assert Freshness({}, 0).stated(NOW) == {"stream_time": None, "behind_s": None, "folded": {}}


def test_a_partition_lags_beyond_the_limit_or_where_nobody_heard_of_it() -> None:
    fresh = Freshness({0: NOW - 5_000, 1: NOW - 5_001, 2: NOW}, 0)
    assert fresh.lagging(range(4), NOW, 5_000) == [1, 3]
    assert fresh.lagging([2], NOW, 5_000) == []
