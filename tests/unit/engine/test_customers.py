"""What spans the cases of a customer, by worked examples: chains of contacts, edges of the window, versions."""

from collections import Counter
from typing import Any

import msgspec

from schemas.rollup import DIMENSIONS, CaseRecord
from schemas.times import text
from streams.engine import customers as module
from streams.engine.customers import Customers

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
START = 1_772_000_000_000


def case(
    id_: str, opened: int, resolved: int | None = None, *, channel: str = "app", category: str | None = "billing",
    customer: str | None = "kim", reopened: int = 0, version: int = 1, withdrawn: int = 0, window: int = WEEK_MS,
) -> CaseRecord:  # fmt: skip
    """What a case tells; times in ms since the start."""
    dims = dict.fromkeys(DIMENSIONS) | {"channel": channel, "category": category}
    fields: dict[str, Any] = dict.fromkeys(CaseRecord.__struct_fields__) | dims
    fields |= {
        "case_id": id_, "customer_id": customer, "opened_at": text(START + opened),
        "resolved_at": None if resolved is None else text(START + resolved), "reopened": reopened,
        "opened_as": list(dims.values()), "resolved_as": [] if resolved is None else list(dims.values()),
        "opens": [], "ends": [], "repeat_window_s": window / 1000, "partition": 0, "version": version,
        "withdrawn": withdrawn, "told_at": text(START),
    }  # fmt: skip
    return CaseRecord(**fields)


def counted(customers: Customers) -> dict[str, int]:
    """All measures that are not 0."""
    totals: Counter[str] = Counter()
    for cell in customers.slices.cells():
        totals.update(cell.counts)
    return {name: n for name, n in totals.items() if n}


def after(*records: CaseRecord) -> dict[str, int]:
    """What counts after these were told."""
    customers = Customers()
    for record in records:
        customers.tell(record, 0)
    return counted(customers)


def test_one_contact_says_nothing() -> None:
    assert after(case("a", 0, 10)) == {}


def test_a_second_contact_is_a_repeat_and_the_first_was_not_resolved_for_good() -> None:
    assert after(case("a", 0, 10), case("b", DAY_MS, DAY_MS + 5)) == {"repeats": 1, "resolved_repeated": 1}


def test_a_second_contact_in_another_channel_is_a_switch_too() -> None:
    second = case("b", DAY_MS, channel="phone")
    assert after(case("a", 0), second) == {"repeats": 1, "channel_switches": 1}


def test_the_window_ends_after_its_last_millisecond() -> None:
    assert after(case("a", 0), case("b", WEEK_MS)) == {"repeats": 1}
    assert after(case("a", 0), case("b", WEEK_MS + 1)) == {}
    assert after(case("a", 0, 10), case("b", WEEK_MS + 10)) == {"resolved_repeated": 1}
    assert after(case("a", 0, 10), case("b", WEEK_MS + 11)) == {}


def test_another_category_or_customer_is_another_matter() -> None:
    assert after(case("a", 0, 10), case("b", 20, category="refund")) == {}
    assert after(case("a", 0, 10), case("b", 20, customer="lee")) == {}
    assert after(case("a", 0, 10, customer=None), case("b", 20, customer=None)) == {}
    assert after(case("a", 0, 10, category=None), case("b", 20, category=None)) == {
        "repeats": 1, "resolved_repeated": 1
    }  # fmt: skip


def test_four_contacts_are_more_than_three() -> None:
    chain = [case(name, place * DAY_MS, place * DAY_MS + 10) for place, name in enumerate("abcd")]
    assert after(*chain) == {"repeats": 3, "resolved_repeated": 3, "resolved_over_3": 1}
    assert after(*chain[:3]) == {"repeats": 2, "resolved_repeated": 2}


def test_a_reopened_case_is_counted_as_such_and_not_here() -> None:
    assert after(case("a", 0, 10, reopened=1), case("b", 20)) == {"repeats": 1}


def test_order_and_repetition_do_not_matter_and_the_newest_version_holds() -> None:
    records = [
        case("a", 0, 10),
        case("b", DAY_MS, channel="web"),
        case("c", 2 * DAY_MS),
        case("b", DAY_MS, 9 * DAY_MS, version=2, channel="phone"),
    ]
    want = after(*records)
    assert want == {"repeats": 2, "resolved_repeated": 2, "channel_switches": 2}
    assert after(*reversed(records)) == want
    assert after(*records, *records[:2]) == want


def test_it_says_whether_a_record_was_news() -> None:
    customers = Customers()
    assert not customers.tell(case("a", 0, customer=None), 0), "nobody's"
    assert not customers.tell(case("a", 0, withdrawn=1), 0), "never told here"
    assert not customers.all
    assert customers.tell(case("a", 0, version=2), 0)
    assert not customers.tell(case("a", 0, 10, version=2), 0), "the same version again"
    assert not customers.tell(case("a", 0, 10, version=1), 0), "an older one"
    assert customers.tell(case("a", 0, 10, version=3), 0)
    assert customers.tell(case("a", 0, 10, version=4, withdrawn=1), 0)


def test_customers_are_kept_by_sixty_four() -> None:
    customers = Customers()
    for number in range(130):
        customers.tell(case(f"c{number}", 0, customer=f"k{number}"), 0)
    assert [len(customers.buckets[bucket]) for bucket in sorted(customers.buckets)] == [64, 64, 2]
    assert all(one in customers.buckets[one.bucket] for one in customers.all.values())
    assert customers.dirty == set(customers.buckets)


def test_the_longest_window_is_remembered_and_found_again() -> None:
    customers = Customers()
    for name, window in (("a", DAY_MS), ("b", WEEK_MS), ("c", 60_000)):
        customers.tell(case(name, 0, customer=name, window=window), 0)
    assert customers.longest_window == WEEK_MS
    again = Customers()
    for bucket, kept in customers.buckets.items():
        again.load(bucket, kept)
    assert again.longest_window == WEEK_MS
    assert again.all.keys() == {"a", "b", "c"}


def test_a_case_that_turns_out_to_be_another_customers() -> None:
    customers = Customers()
    for record in (case("a", 0, 10), case("b", 20), case("b", 20, version=2, withdrawn=1)):
        customers.tell(record, 0)
    customers.tell(case("b", 20, version=3, customer="lee"), 0)
    assert counted(customers) == {}


def test_a_placeholder_for_a_customer_costs_no_more_than_so_many_contacts() -> None:
    customers = Customers()
    for number in range(2 * module.MOST_CONTACTS):
        customers.tell(case(f"{number:05}", number), 0)
    assert counted(customers) == {"repeats": 2 * module.MOST_CONTACTS - 1}, "what was counted stands"
    assert len(customers.all["kim"].contacts) <= module.MOST_CONTACTS
    # At the first beyond the most, and again after each hundred that the kept ones leave room for.
    room = module.MOST_CONTACTS - module.KEPT_CONTACTS
    assert customers.crowded == len(range(module.MOST_CONTACTS + 1, 2 * module.MOST_CONTACTS + 1, room + 1))


def test_who_is_forgotten_stays_counted() -> None:
    customers = Customers()
    for record in (case("a", 0, 10), case("b", 20)):
        customers.tell(record, 5)
    customers.forget(6)
    assert not customers.all
    assert counted(customers) == {"repeats": 1, "resolved_repeated": 1}


def test_records_are_plain_json() -> None:
    record = case("a", 0, 10)
    assert msgspec.json.decode(msgspec.json.encode(record), type=CaseRecord) == record
