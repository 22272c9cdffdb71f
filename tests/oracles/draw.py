"""What random policies and histories draw from."""

import random
from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

REASONS = ("customer", "third_party", "internal")
VALUES: Mapping[str, Sequence[str]] = {
    "channel": ("phone", "chat", "email"),
    "team": ("a", "b"),
    "agent_id": ("ann", "bo", "客服 3"),
    "priority": ("L1", "L2", "L3"),
    "customer_tier": ("vip", "plain"),
    "category": ("billing", "loan"),
    "queue": ("q1", "q2"),
}


class Seeded(random.Random):
    """A random generator that shows its seed when a property fails."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._from = seed

    def __repr__(self) -> str:
        return f"Seeded({self._from})"


def maybe(rng: random.Random, share: float) -> bool:
    """True in about this share of draws."""
    return rng.randrange(100) < share * 100


randoms: st.SearchStrategy[random.Random] = st.integers(0, 2**40).map(Seeded)
"""What a property draws its histories from."""
