"""What is counted across all cases of a customer: repeated contacts, and how many it took to resolve something."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.oracles.cases import Seen, Story, stories
from tests.oracles.contacts import Fact, Key, slice_of
from tests.oracles.contract import Json, duration
from tests.oracles.promises import Changes, Policy, in_force

Customer = tuple[datetime, Json, str]
"""When a contact was opened, with which dimensions, whose it is."""


@dataclass(frozen=True)
class Contact:
    """A case that was opened. Customer and category are the latest known; `window` is the repeat window that was in
    force at the opening."""

    case_id: str
    customer: str | None
    category: str | None
    opened: Seen
    resolved: Seen | None
    reopened: bool
    window: timedelta


def contacts(told: Iterable[Story], policy: Policy, changes: Changes = ()) -> list[Contact]:
    """All contacts."""
    found = []
    for story in told:
        if story.opening is not None:
            opened = story.seen[story.opening]
            settings = in_force(policy, changes, opened.at).get("metrics") or {}
            window = duration(settings.get("repeat_window", "7d"))
            about = story.customer, story.dims["category"]
            found.append(Contact(story.case_id, *about, opened, story.resolution, bool(story.reopenings), window))
    return found


def customer_facts(known: Iterable[Contact]) -> Iterator[Fact]:
    """Facts about contacts among the others of their customer and category, in order of opening."""
    chains: dict[tuple[str, str | None], list[Contact]] = defaultdict(list)
    for contact in known:
        if contact.customer is not None:
            chains[contact.customer, contact.category].append(contact)
    for chain in chains.values():
        chain.sort(key=lambda contact: (contact.opened.at, contact.case_id))
        for place, contact in enumerate(chain):
            yield from _repeated(contact, chain[:place])
            yield from _returned_to(contact, chain[place + 1 :])


def _repeated(contact: Contact, earlier: Sequence[Contact]) -> Iterator[Fact]:
    """Whether it was opened soon after another."""
    at, dims, *_ = contact.opened
    if earlier and earlier[-1].opened.at >= at - contact.window:
        yield at, dims, "repeats", 1
        if dims["channel"] != earlier[-1].opened.dims["channel"]:
            yield at, dims, "channel_switches", 1


def _returned_to(contact: Contact, later: Sequence[Contact]) -> Iterator[Fact]:
    """Whether others were opened until some time after its resolution."""
    if contact.resolved is None:
        return
    at, dims, *_ = contact.resolved
    others = sum(other.opened.at <= at + contact.window for other in later)
    if others >= 1 and not contact.reopened:
        yield at, dims, "resolved_repeated", 1
    if others >= 3:
        yield at, dims, "resolved_over_3", 1


def customers_of(known: Iterable[Contact]) -> Iterator[Customer]:
    """Whose contacts were opened."""
    for contact in known:
        if contact.customer is not None:
            yield contact.opened.at, contact.opened.dims, contact.customer


def facts(events: Iterable[Json], policy: Policy, changes: Changes = ()) -> Iterator[Fact]:
    """Every fact across cases of a history."""
    return customer_facts(contacts(stories(events, policy, changes), policy, changes))


def customer_slices(events: Iterable[Json], policy: Policy, changes: Changes = ()) -> dict[Key, set[str]]:
    """The different customers by (minute, dimensions)."""
    cells: dict[Key, set[str]] = defaultdict(set)
    for at, dims, customer in customers_of(contacts(stories(events, policy, changes), policy, changes)):
        cells[slice_of(at, dims)].add(customer)
    return dict(cells)
