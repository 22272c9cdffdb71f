"""The second stage: what spans the cases of one customer. Repeat contacts, channel switches, resolved for good.

It is fed with what cases tell of themselves (`schemas.rollup.CaseRecord`), absolute and versioned, in any order. What
it books into slices is a function of the newest records, so a record read twice changes nothing.
"""

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

from schemas.metrics import Measure as M
from schemas.rollup import CaseRecord
from schemas.times import parse
from streams.engine.facts import Dims, DimsTable, DimValues
from streams.engine.guard import Guard
from streams.engine.slices import Slices

BUCKET_CUSTOMERS = 64
MOST_CONTACTS = 500
KEPT_CONTACTS = 400
"""A customer with more contacts than this within what is remembered is no customer but a placeholder (`anonymous`):
the oldest are let go, and what they counted stands."""

RESOLVED_OVER = 3
"""Contacts within which a case is to be resolved (service time standard: 三次内解决率)."""


class Contact(msgspec.Struct, array_like=True, gc=False):
    """One case of a customer. Instants and the window in ms, -1 while unknown.

    `booked` says what of it is in the slices now: bits of `_MEASURES`. `frozen`: its own counts stand; it only precedes
    others.
    """

    case_id: str
    version: int
    category: str | None
    opened: int
    opened_dims: Dims
    resolved: int
    resolved_dims: Dims | None
    reopened: bool
    window: int
    booked: int = 0
    frozen: bool = False


REPEAT, SWITCH, REPEATED, OVER = 1, 2, 4, 8
AT_OPENING = ((REPEAT, M.REPEATS), (SWITCH, M.CHANNEL_SWITCHES))
AT_RESOLUTION = ((REPEATED, M.RESOLVED_REPEATED), (OVER, M.RESOLVED_OVER_3))


class Customer(msgspec.Struct, array_like=True, gc=False):
    """A customer's contacts, in order of (opened, case_id)."""

    id: str
    contacts: list[Contact]
    bucket: int
    touched: int


class Customers:
    """All customers of a partition. `dirty` holds the buckets to checkpoint. Not thread-safe."""

    def __init__(self, guarded: bool = False, slices: Slices | None = None) -> None:
        """`guarded`: what slices tell apart is bounded. `slices`: where to book, instead of slices of its own."""
        self.table = DimsTable()
        self.slices = slices or Slices(Guard(self.table) if guarded else None)
        self.all: dict[str, Customer] = {}
        self.buckets: dict[int, list[Customer]] = {}
        self.dirty: set[int] = set()
        self.crowded = 0
        self.longest_window = 0
        self._bucket = 0

    def tell(self, record: CaseRecord, arrival: int) -> bool:
        """Takes what a case tells; False where it says nothing new. Cases without customer take no part."""
        if record.customer_id is None:
            return False
        customer = self.all.get(record.customer_id)
        known = customer and next((c for c in customer.contacts if c.case_id == record.case_id), None)
        if known and (known.frozen or known.version >= record.version):
            return False
        if customer is None:
            if record.withdrawn:
                return False  # it was never told here, or is forgotten
            customer = self._new(record.customer_id)
        customer.touched = arrival
        self.dirty.add(customer.bucket)
        contacts = customer.contacts
        touched: set[str | None] = set()
        if known:
            self._book(known, 0)
            contacts.remove(known)
            touched.add(known.category)
        if not record.withdrawn:
            contact = self._contact(record)
            self.longest_window = max(self.longest_window, contact.window)
            contacts.insert(bisect_right(contacts, _place(contact), key=_place), contact)
            touched.add(contact.category)
        for category in touched:
            self._count([contact for contact in contacts if contact.category == category])
        if len(contacts) > MOST_CONTACTS:
            self.crowded += 1
            del contacts[: len(contacts) - KEPT_CONTACTS]
            for category in {contact.category for contact in contacts}:
                next(contact for contact in contacts if contact.category == category).frozen = True
        return True

    def forget(self, untouched_since: int) -> None:
        """Drops customers of whom nothing was told since then: what was counted stands."""
        for customer in [one for one in self.all.values() if one.touched < untouched_since]:
            del self.all[customer.id]
            self.buckets[customer.bucket].remove(customer)
            self.dirty.add(customer.bucket)

        def used() -> Iterator[Dims]:
            for customer in self.all.values():
                for contact in customer.contacts:
                    yield contact.opened_dims
                    if contact.resolved_dims is not None:
                        yield contact.resolved_dims
            for tuples in self.slices.minutes.values():
                yield from tuples

        self.table.sweep(used)

    def load(self, bucket: int, customers: list[Customer]) -> None:
        """Takes back the customers of a checkpointed bucket."""
        self.buckets[bucket] = customers
        self._bucket = max(self._bucket, bucket)
        for customer in customers:
            self.all[customer.id] = customer
            for contact in customer.contacts:
                self.longest_window = max(self.longest_window, contact.window)

    def _count(self, contacts: list[Contact]) -> None:
        """Books what contacts of one category, in order, say of each other."""
        opened = [contact.opened for contact in contacts]
        for place, contact in enumerate(contacts):
            if contact.frozen:
                continue
            bits = 0
            if place:
                before = contacts[place - 1]
                if contact.opened - before.opened <= contact.window:
                    bits |= REPEAT
                    if contact.opened_dims.values[0] != before.opened_dims.values[0]:
                        bits |= SWITCH
            if contact.resolved >= 0:
                later = bisect_right(opened, contact.resolved + contact.window) - place - 1
                if later > 0 and not contact.reopened:
                    bits |= REPEATED
                if later >= RESOLVED_OVER:
                    bits |= OVER
            self._book(contact, bits)

    def _book(self, contact: Contact, bits: int) -> None:
        changed = contact.booked ^ bits
        if not changed:
            return
        for bit, measure in AT_OPENING:
            if changed & bit:
                self.slices.add(contact.opened, contact.opened_dims, measure, 1 if bits & bit else -1)
        if contact.resolved_dims is not None:
            for bit, measure in AT_RESOLUTION:
                if changed & bit:
                    self.slices.add(contact.resolved, contact.resolved_dims, measure, 1 if bits & bit else -1)
        contact.booked = bits

    def _contact(self, record: CaseRecord) -> Contact:
        resolved = record.resolved_at is not None
        return Contact(
            record.case_id,
            record.version,
            record.category,
            parse(record.opened_at),
            self._dims(record.opened_as),
            parse(record.resolved_at) if record.resolved_at is not None else -1,
            self._dims(record.resolved_as) if resolved else None,
            bool(record.reopened),
            round(record.repeat_window_s * 1000),
        )

    def _dims(self, values: list[str | None]) -> Dims:
        found: DimValues = tuple(values)  # type: ignore[assignment]
        return self.table.of(found)

    def _new(self, id_: str) -> Customer:
        bucket = self.buckets.get(self._bucket)
        if bucket is None or len(bucket) >= BUCKET_CUSTOMERS:
            self._bucket += 1
            bucket = self.buckets[self._bucket] = []
        customer = self.all[id_] = Customer(id_, [], self._bucket, 0)
        bucket.append(customer)
        return customer


def _place(contact: Contact) -> tuple[int, str]:
    return contact.opened, contact.case_id
