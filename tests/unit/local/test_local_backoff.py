"""When a part that ended is started again."""

import signal

import pytest

from services.local.backoff import BACKOFF_S, CAME_UP_S, STEADY_S, Backoff


class Life:
    """A part under its own clock: started, perhaps ready, ended, and started again after the pause it was given."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.backoff = Backoff(self.now)

    def ends(self, code: int, after: float, *, ready_after: float | None = None) -> float:
        """The pause after a start that lasted `after` seconds."""
        if ready_after is not None:
            self.backoff.ready(self.now + ready_after)
        self.now += after
        pause = self.backoff.ended(code, self.now)
        self.now += pause
        self.backoff.started(self.now)
        return pause


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.mark.parametrize("code", [-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM])
def test_what_came_up_and_is_ended_from_outside_is_back_at_once_however_often(life: Life, code: int) -> None:
    assert [life.ends(code, 2, ready_after=1.5) for _ in range(20)] == [0.0] * 20


@pytest.mark.parametrize("code", [-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, 1, 0, 70])
def test_what_ends_by_itself_waits_ever_longer_though_it_came_up(life: Life, code: int) -> None:
    pauses = [life.ends(code, 2, ready_after=1.5) for _ in range(len(BACKOFF_S) + 2)]
    assert pauses == [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]


@pytest.mark.parametrize("code", [-signal.SIGKILL, -signal.SIGTERM, -signal.SIGSEGV, 1])
def test_what_is_gone_before_it_came_up_waits_ever_longer(life: Life, code: int) -> None:
    assert [life.ends(code, 0.5) for _ in range(len(BACKOFF_S))] == list(BACKOFF_S)


def test_where_nothing_tells_that_a_part_is_ready_having_run_a_while_does(life: Life) -> None:
    assert [life.ends(-signal.SIGKILL, CAME_UP_S + 1) for _ in range(5)] == [0.0] * 5
    assert [life.ends(-signal.SIGKILL, CAME_UP_S - 1) for _ in range(5)] == list(BACKOFF_S[:5])


def test_a_kill_does_not_count_among_failures(life: Life) -> None:
    assert [life.ends(1, 1) for _ in range(3)] == list(BACKOFF_S[:3])
    assert life.ends(-signal.SIGKILL, 3, ready_after=1) == 0.0
    assert life.ends(1, 1) == BACKOFF_S[3]


@pytest.mark.parametrize("ready_after", [1.0, None])
def test_proven_health_resets_the_pauses(life: Life, ready_after: float | None) -> None:
    for _ in BACKOFF_S:
        life.ends(1, 1)
    up_after = CAME_UP_S if ready_after is None else ready_after
    assert life.ends(1, up_after + STEADY_S - 1, ready_after=ready_after) == BACKOFF_S[-1]
    assert life.ends(1, up_after + STEADY_S, ready_after=ready_after) == 0.0
    assert life.ends(1, 1) == BACKOFF_S[1]


def test_being_alive_without_coming_up_proves_nothing(life: Life) -> None:
    assert [life.ends(1, CAME_UP_S + STEADY_S - 1) for _ in range(4)] == list(BACKOFF_S[:4])


def test_failures_can_be_forgiven(life: Life) -> None:
    for _ in range(4):
        life.ends(1, 1)
    life.backoff.forgive()
    assert [life.ends(1, 1) for _ in range(2)] == list(BACKOFF_S[:2])
