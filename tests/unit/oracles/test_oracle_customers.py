"""The naive oracle against examples worked by hand: what is counted across a customer's cases.

How stories read: `stories`; how facts read: `telling`.
"""

import pytest

from tests.oracles import customers
from tests.oracles.metrics import metrics, summary
from tests.unit.oracles.telling import HOUR, PLAIN, booked, cases, counted, instant


@pytest.mark.parametrize(
    ("text", "want"),
    [
        # One hour after the opening, to the millisecond.
        ("02 09:00 opened\n02 10:00 opened", "repeats"),
        ("02 09:00 opened\n02 10:00:00.001 opened", ""),
        # At one instant the case_id decides.
        ("02 09:00 opened | channel=app\n02 09:00 opened | channel=web", "channel_switches, repeats"),
        ("02 09:00 opened\n02 09:30 opened | category=loan", ""),
        ("02 09:00 opened | category=loan\n02 09:30 opened; 05 09:00 updated | category.loan", "repeats"),
        ("02 09:00 opened\n02 09:30 opened; 05 09:00 updated | category.loan", ""),
        ("02 09:00 opened\n02 09:30 opened | customer_id=v", ""),
        ("02 09:00 opened\n02 09:30 opened | customer_id=v; 09 09:00 customer | customer_id=u", "repeats"),
        # Only what is opened is a contact.
        ("02 09:00 customer\n02 09:30 opened", ""),
        # The channel is that of the opening, compared with the contact right before.
        ("02 09:00 opened; 02 09:10 customer | channel=app\n02 09:30 opened", "repeats"),
        ("02 09:00 opened\n02 09:30 opened | channel=app\n02 10:00 opened | channel=app",
         "channel_switches, repeats 2"),
        ("02 09:00 opened\n02 10:30 opened\n02 11:00 opened | channel=web", "channel_switches, repeats"),
        # One hour after the resolution.
        ("02 09:00 opened; 02 12:00 resolved\n02 13:00 opened", "resolved_repeated"),
        ("02 09:00 opened; 02 12:00 resolved\n02 13:00:00.001 opened", ""),
        ("02 09:00 opened; 02 12:00 resolved\n02 11:00 opened", "resolved_repeated"),
        ("02 09:00 opened\n02 11:00 opened; 02 12:00 resolved", ""),
        ("02 09:00 opened; 02 12:00 resolved; 02 13:30 resolved\n02 14:30 opened", "resolved_repeated"),
        # Reopened it is no first-contact resolution already.
        ("02 09:00 opened; 02 09:10 resolved; 02 09:20 reopened\n02 10:10 opened", ""),
        # The third other contact is one too many.
        ("02 09:00 opened; 02 12:00 resolved\n02 11:00 opened\n02 13:00 opened", "resolved_repeated"),
        ("02 09:00 opened; 02 12:00 resolved\n02 10:30 opened\n02 11:45 opened\n02 13:00 opened",
         "resolved_over_3, resolved_repeated"),
        ("02 09:00 opened; 02 12:00 resolved\n02 10:30 opened\n02 11:45 opened\n02 13:00:00.001 opened",
         "resolved_repeated"),
        ("02 09:00 opened; 02 11:00 resolved; 02 11:10 reopened; 02 12:00 resolved\n02 10:30 opened\n"
         "02 11:45 opened\n02 13:00 opened", "resolved_over_3"),
    ],
)  # fmt: skip
def test_contacts_of_one_customer_and_category(text: str, want: str) -> None:
    assert counted(customers.facts(cases(text), HOUR), "") == want
    assert counted(customers.facts(cases(text)[::-1], HOUR), "") == want
    assert not counted(customers.facts(cases(text.replace("customer_id=", "team="), customer=None), HOUR), "")


def test_repeats_are_booked_at_the_opening_and_returns_at_the_last_resolution() -> None:
    told = list(
        customers.facts(
            cases(
                "02 09:00 opened; 02 09:10 resolved; 02 09:20 resolved | channel=app\n"
                "02 09:30 opened | channel=web; 02 09:40 customer | channel=sms"
            ),
            HOUR,
        )
    )
    assert booked(told, "repeats") == booked(told, "channel_switches") == ["02 09:30 web"]
    assert booked(told, "resolved_repeated") == ["02 09:20 app"]
    at_once = cases("02 09:00 opened | channel=app\n02 09:00 opened | channel=web")
    for coming in (at_once, at_once[::-1]):
        assert booked(customers.facts(coming, HOUR), "repeats") == ["02 09:00 web"]


def test_the_repeat_window_is_a_week_or_what_held_at_the_opening() -> None:
    text = "02 09:00 opened\n09 09:00 opened\n16 09:00:00.001 opened"
    assert counted(customers.facts(cases(text), PLAIN), "") == "repeats"
    changes = [(instant("09 09:00"), HOUR)]
    assert counted(customers.facts(cases(text), PLAIN, changes), "") == ""
    # The resolved contact was opened under a week's window, its successor under an hour's.
    text = "02 09:00 opened; 08 12:00 resolved\n10 09:00 opened"
    assert counted(customers.facts(cases(text), PLAIN, changes), "") == "resolved_repeated"


def test_first_contact_resolution_over_a_chain() -> None:
    told = cases(
        "02 09:00 opened; 02 09:30 resolved\n"  # repeated by the next
        "02 10:00 opened; 02 10:10 resolved; 02 10:20 reopened; 02 10:30 resolved\n"  # reopened
        "02 14:00 opened; 02 14:10 resolved\n"  # first-contact resolution
        "02 16:00 opened"
    )
    found = summary(told, HOUR, instant("03 09:00"))
    assert (found["fcr"].numerator, found["fcr"].denominator) == (1, 3)
    assert (found["resolved_within_3"].numerator, found["resolved_within_3"].denominator) == (3, 3)
    assert (found["repeat_contact_rate"].numerator, found["repeat_contact_rate"].denominator) == (1, 4)
    assert found["customer_known_rate"].value == 1


def test_different_customers_by_slice() -> None:
    told = cases(
        "02 09:00 opened\n02 09:00:30 opened\n02 09:00:40 opened | customer_id=v\n02 09:00:50 opened | channel=app\n"
        "02 09:01 opened\n02 09:01 customer"
    )
    slices = customers.customer_slices(told, HOUR)
    assert sorted((key[0][11:16], key[1], sorted(known)) for key, known in slices.items()) == [
        ("09:00", "app", ["u"]),
        ("09:00", "chat", ["u", "v"]),
        ("09:01", "chat", ["u"]),
    ]
    found = metrics(told, HOUR, instant("02 10:00"), by=("channel",))["customers"]
    assert {group: answer.value for group, answer in found.items()} == {("app",): 1, ("chat",): 2}
