"""Which events and which slice versions belong to the reading at a fence."""

import pytest

from schemas.rollup import REBUILT
from schemas.routing import partition_of
from services.rebuild.fence import Fence, Mark, standing_of
from services.rebuild.reading import Row, applied

PARTITIONS = 2
HOUR = 3_600_000
NOW = 1_000 * HOUR
MARK = Mark(position=10, version=5 << 32 | 90, stream_time=NOW - 300, told_at=NOW, settled=NOW - 4_000)
HOME = partition_of("c", PARTITIONS)


def fence(*epochs: tuple[int, int, int]) -> Fence:
    """Both partitions stand alike."""
    marks = dict.fromkeys(range(PARTITIONS), MARK)
    return Fence(marks, standing_of(marks, epochs))


def row(*arrivals: tuple[int, int, int], t: int = NOW - HOUR) -> Row:
    """An event of case c."""
    return Row("c", "c", "e", "{}", t, NOW, list(arrivals))


@pytest.mark.parametrize(
    ("event", "came"),
    [
        (row((HOME, 10, NOW - 5)), (NOW - 5, 10)),
        (row((HOME, 11, NOW - 5)), None),
        (row((HOME, 11, NOW), (HOME, 3, NOW - 60_000)), (NOW - 60_000, 3)),
        (row((1 - HOME, 1, NOW - 60_000)), None),
        (row((1 - HOME, 1, NOW - 60_000), (HOME, 9, NOW - 9)), (NOW - 9, 9)),
        (row((HOME, 1, NOW - 60_000), t=NOW), (NOW - 60_000, 1)),
        (row((HOME, 1, NOW - 60_000), t=NOW + 1), None),
        (row((HOME, 1, NOW - 2 * HOUR), t=NOW - HOUR + 1), None),
        (row(), (NOW, -1)),
    ],
    ids=[
        *("at the fence", "behind it", "again behind it", "only elsewhere", "passed on", "due", "dated ahead"),
        *("too far ahead when it came", "from before arrivals were kept"),
    ],
)
def test_an_event_belongs_to_it_as_it_came_first_at_home(event: Row, came: tuple[int, int] | None) -> None:
    found = [(one.received, one.offset) for one in applied([event], fence())]
    assert found == ([] if came is None else [came])


def test_versions_above_the_watermark_do_not_belong_to_it() -> None:
    assert fence().holds(0, MARK.version)
    assert not fence().holds(0, MARK.version + 1)
    assert fence().holds(REBUILT, 2**63)


def test_what_was_told_after_the_checkpoint_that_the_next_owner_took_does_not_count() -> None:
    found = fence((0, 5, 3 << 32 | 40), (0, 3, 1 << 32 | 7), (1, 2, 1 << 32 | 1))
    held = {epoch: [n for n in (6, 7, 8, 40, 41) if found.holds(0, epoch << 32 | n)] for epoch in range(1, 6)}
    assert held == {1: [6, 7], 2: [], 3: [6, 7, 8, 40], 4: [], 5: [6, 7, 8, 40, 41]}


def test_an_owner_that_told_nothing_to_stay_leaves_its_predecessors_word_standing() -> None:
    found = fence((0, 4, 2 << 32 | 40), (0, 5, 2 << 32 | 40))
    assert found.holds(0, 2 << 32 | 40)
    assert not found.holds(0, 2 << 32 | 41)
    assert not found.holds(0, 4 << 32 | 41)


def test_an_epoch_after_the_watermark_changes_nothing_yet() -> None:
    assert fence((0, 6, 5 << 32 | 1)).holds(0, MARK.version)
