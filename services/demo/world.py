"""Who works and who calls in the simulated operation: channels, teams, agents, customers.

Shares and times are plausible, not measured: a Chinese consumer business with bots in front of its text channels.
"""

import math
from dataclasses import dataclass, field
from random import Random

CATEGORIES = {
    "billing": 0.20, "refund": 0.16, "delivery": 0.20, "account": 0.14,
    "technical": 0.14, "product": 0.08, "complaint": 0.04, "other": 0.04,
}  # fmt: skip
COMPLAINT_CATEGORIES = ("attitude", "expertise", "process", "logistics", "price", "privacy")
CUSTOMERS = 40_000
VIP_DESK, COMPLAINT_OFFICE = "vip-desk", "complaint-office"
SECOND_LINE = {
    "technical": ("tech-support", 0.30), "refund": ("refund-desk", 0.25), "complaint": (COMPLAINT_OFFICE, 0.5),
}  # fmt: skip
"""By category: the team behind the first one, and the share of cases that is passed on to it."""
VIP_SHARE, GOLD_SHARE = 0.06, 0.18
REPLY_SPREAD = 0.75
REPLY_MEAN = math.exp(REPLY_SPREAD**2 / 2)
"""Replies are log-normal: their spread, and their mean in medians."""


_AGAIN = 1.12
"""Work on reopened cases, on complaints that the bot could not settle, and talks that drag on."""


@dataclass(frozen=True, slots=True)
class Channel:
    """How one channel behaves. Shares are of all contacts; times in seconds.

    `bot` is the share that meets the bot first, `contained` how many of those it settles. A live channel's customer
    waits in line with `patience_s` (mean); elsewhere somebody looks after `pickup_s` (median). `held_s` is the mean
    length of the agent's part, `reply_s` the median time to the agent's first words (in a live channel a part of
    `held_s`, elsewhere before it), `turns` the mean number of further exchanges.
    """

    name: str
    weekday: float
    weekend: float
    teams: tuple[tuple[str, float], ...]
    held_s: float
    reply_s: float
    turns: float
    bot: float = 0.0
    contained: float = 0.0
    patience_s: float = 0.0
    pickup_s: float = 0.0
    spoken: bool = False

    @property
    def live(self) -> bool:
        """Whether the customer waits in line."""
        return self.patience_s > 0

    @property
    def seat_s(self) -> float:
        """The mean time for which an agent has the contact open."""
        return self.held_s if self.live else self.held_s + self.reply_s * REPLY_MEAN

    @property
    def to_human(self) -> float:
        """The share of contacts that reaches people."""
        return 1 - self.bot * self.contained


CHANNELS = (
    Channel("phone", 0.075, 0.055, (("hotline-1", 0.5), ("hotline-2", 0.5)), 150, 3, 1.5, patience_s=90, spoken=True),
    Channel("chat", 0.26, 0.25, (("chat-1", 0.55), ("chat-2", 0.45)), 260, 13, 3.5, 0.95, 0.68, patience_s=700),
    Channel("app", 0.19, 0.22, (("app-care", 1.0),), 240, 15, 3.0, 0.95, 0.70, patience_s=900),
    Channel("web", 0.09, 0.06, (("chat-2", 1.0),), 250, 16, 3.0, 0.80, 0.60, patience_s=500),
    Channel("mini_program", 0.16, 0.20, (("mini-care", 1.0),), 220, 18, 2.5, 0.95, 0.74, patience_s=900),
    Channel("email", 0.05, 0.03, (("email-desk", 1.0),), 120, 240, 0.5, pickup_s=150),
    Channel("social", 0.06, 0.08, (("social-care", 1.0),), 150, 120, 1.5, 0.30, 0.30, pickup_s=95),
    Channel("store", 0.02, 0.03, (("store-video", 1.0),), 200, 5, 1.0, patience_s=420, spoken=True),
    Channel("video", 0.012, 0.015, (("store-video", 1.0),), 220, 4, 1.5, patience_s=120, spoken=True),
    Channel("sms", 0.05, 0.05, (("social-care", 1.0),), 60, 90, 0.7, 0.60, 0.50, pickup_s=90),
)

TEAM_SIZES = {
    "hotline-1": 13, "hotline-2": 11, VIP_DESK: 9, "chat-1": 8, "chat-2": 8, "app-care": 7, "mini-care": 6,
    "email-desk": 9, "social-care": 8, "store-video": 9, "tech-support": 5, "refund-desk": 4, COMPLAINT_OFFICE: 3,
}  # fmt: skip


@dataclass(slots=True)
class Agent:
    """One person: `speed` multiplies the time a contact takes (below 1 is quick), `quality` is around 0.75 of 1."""

    id: str
    team: str
    speed: float
    quality: float
    templates: float
    open_cases: int = 0


@dataclass(slots=True)
class Team:
    """One team: its people, and `load`: contacts it holds open at once per contact arriving each second, on average."""

    name: str
    load: float
    agents: list[Agent] = field(default_factory=list)


def build_teams(rng: Random) -> dict[str, Team]:
    """All teams with their people, drawn from `rng`."""
    loads = _loads()
    teams = {}
    for name, size in TEAM_SIZES.items():
        team = Team(name, loads[name])
        for number in range(1, size + 1):
            team.agents.append(
                Agent(
                    id=f"{name}-{number:02d}",
                    team=name,
                    speed=rng.lognormvariate(0, 0.15),
                    quality=min(max(rng.gauss(0.75, 0.1), 0.4), 0.98),
                    templates=min(max(rng.gauss(0.8, 0.1), 0.4), 0.98),
                )
            )
        teams[name] = team
    return teams


def _loads() -> dict[str, float]:
    """By Little's law: contacts arriving at a team each second, times how long each is held, and some come again."""
    loads = dict.fromkeys(TEAM_SIZES, 0.0)
    for channel in CHANNELS:
        arriving = channel.weekday * channel.to_human * channel.seat_s * _AGAIN
        to_vip_desk = VIP_SHARE if channel.live and channel.name != "store" else 0.0
        loads[VIP_DESK] += arriving * to_vip_desk
        for team, share in channel.teams:
            loads[team] += arriving * (1 - to_vip_desk) * share
        for category, (team, passed_on) in SECOND_LINE.items():
            loads[team] += arriving * CATEGORIES[category] * passed_on
    return loads


def tier_of(customer: int) -> str:
    """A customer's tier: always the same for the same customer."""
    place = (customer * 7919) % 1000 / 1000
    if place < VIP_SHARE:
        return "vip"
    return "gold" if place < VIP_SHARE + GOLD_SHARE else "standard"
