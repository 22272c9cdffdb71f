"""Which pause reasons hold after an event."""

from streams.engine.facts import KIND, PAUSE_BIT, Fact

_PENDING, _RESUMED, _REOPENED = (KIND[f"contact.{name}"] for name in ("pending", "resumed", "reopened"))


def pausing_after(pausing: int, fact: Fact) -> int:
    """The mask of pause reasons that hold after a fact, of those that held before.

    contact.pending without a reason waits on the customer, contact.resumed without one ends all; a reopened case waits
    on nobody.
    """
    kind = fact.kind
    if kind == _PENDING:
        return pausing | PAUSE_BIT[str((fact.data and fact.data[0]) or "customer")]
    if kind == _RESUMED:
        reason = None if fact.data is None else fact.data[0]
        return pausing & ~PAUSE_BIT[str(reason)] if reason else 0
    return 0 if kind == _REOPENED else pausing
