"""What every endpoint needs from the application: the database, the clock, the settings, the policy."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from schemas.settings import Settings
from services.api.database import Questions
from services.api.freshness import FreshnessReader
from services.api.policy_in_force import PolicyInForce

Now: TypeAlias = Callable[[], int]
"""The wall clock in milliseconds since 1970, injected so that tests choose the time."""

FRESH_S = 1.0
"""How old the stamp on answers may be: watermarks come about as often."""


def wall_clock() -> int:
    """The present instant in milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Context:
    """Lives as long as the application, in `app.state.api`."""

    settings: Settings
    database: Questions
    now: Now
    policy: PolicyInForce
    fresh: FreshnessReader = field(default_factory=lambda: FreshnessReader(FRESH_S))


def context_of(request: Request) -> Context:
    """The context of the application that serves a request."""
    context: Context = request.app.state.api
    return context


ContextDependency: TypeAlias = Annotated[Context, Depends(context_of)]
