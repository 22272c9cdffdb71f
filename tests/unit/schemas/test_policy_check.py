"""`check-policy`: every finding at its line, what is passed over, and a policy in words."""

import itertools
import random
import re
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas import policy_order
from schemas.errors import PolicyError
from schemas.policy import Match, Policy, default_policy
from schemas.policy_cases import Space, left_by
from schemas.policy_check import Report, check_policy, check_source
from schemas.policy_source import PolicySource
from services.cli import app


def check(text: str) -> Report:
    return check_source(PolicySource(text, "p"))


def findings(*policies: str, head: str = "") -> list[str]:
    """Of a file with the policies from line 3 on, one a line, each with its number as name."""
    lines = [f"  - {{name: p{number}, {policy}}}" for number, policy in enumerate(policies)]
    return check("\n".join(["version: 1", f"{head}policies:", *lines])).findings


ONE, TWO = "clocks: {connect: {target: 1m}}", "clocks: {connect: {target: 2m}}"
ALL_CHANNELS = "phone, chat, app, web, mini_program, email, social, store, video, sms, other"


# What cannot be reached

UNREACHABLE = [
    (["match: {channel: [app, chat]}, " + ONE, "match: {channel: chat, priority: L1}, " + ONE, ONE],
     ["p:4: warning: 'p1' is never reached: 'p0' takes all of its cases"]),
    ([ONE, "match: {channel: chat}, " + ONE, ONE],
     ["p:4: warning: 'p1' is never reached: 'p0' takes all of its cases"]),
    (["match: {complaint: true}, " + ONE, "match: {team: a}, " + ONE, "match: {complaint: false}, " + ONE,
      "match: {queue: q}, " + ONE, ONE],
     ["p:6: warning: 'p3' is never reached: 'p0' and 'p2' together take all of its cases"]),
    (["match: {channel: chat, priority: L1}, " + ONE, "match: {priority: [L2, L3]}, " + ONE,
      "match: {channel: app}, " + ONE, "match: {channel: [app, chat], priority: [L1, L2]}, " + ONE, ONE],
     ["p:6: warning: 'p3' is never reached: 'p0', 'p1' and 'p2' together take all of its cases"]),
    # Who is never reached loses no cases either.
    (["match: {complaint: true}, " + ONE, "match: {complaint: false}, " + ONE, "match: {queue: q}, " + TWO, ONE],
     ["p:5: warning: 'p2' is never reached: 'p0' and 'p1' together take all of its cases"]),
    ([f"match: {{channel: [{ALL_CHANNELS}]}}, " + ONE, "match: {team: a}, " + ONE, ONE],
     ["p:4: warning: 'p1' is never reached: 'p0' takes all of its cases"]),
]  # fmt: skip


@pytest.mark.parametrize(("policies", "found"), UNREACHABLE)
def test_policies_that_no_case_reaches(policies: list[str], found: list[str]) -> None:
    assert findings(*policies) == found


@pytest.mark.parametrize(
    "policies",
    [
        ["match: {priority: [L1, L2, L3]}, " + ONE, "match: {channel: chat}, " + ONE, ONE],  # chat of no level
        ["match: {team: [a, b]}, " + ONE, "match: {team: [b, c]}, " + ONE, ONE],
        ["match: {team: a}, " + ONE, "match: {queue: q}, " + ONE, ONE],  # queue q of any other team
        ["match: {complaint: true, team: a}, " + ONE, "match: {complaint: false}, " + ONE, "match: {team: b}, " + ONE,
         ONE],
        [f"match: {{channel: [{ALL_CHANNELS}]}}, " + ONE, ONE],  # the default must be there
    ],
)  # fmt: skip
def test_policies_that_some_case_reaches(policies: list[str]) -> None:
    assert findings(*policies) == []


def test_what_is_left_is_what_going_through_all_cases_finds() -> None:
    rng = random.Random(5)
    teams, levels, truth = ("a", "b"), ("L1", "L2", "L3"), (True, False)
    for _ in range(150):
        policies = []
        for _ in range(rng.randrange(1, 7)):
            match = {
                "team": rng.sample(teams, rng.randrange(1, 3)),
                "priority": rng.sample(levels, rng.randrange(1, 4)),
                "complaint": rng.choice(truth),
            }
            chosen = {key: value for key, value in match.items() if rng.random() < 0.6}
            policies.append(Policy.model_validate({"name": "p", "match": chosen, "clocks": {}}))
        space = Space(policies)
        sets = [space.taken_by(policy.match) for policy in policies]
        cases = list(itertools.product((*teams, None), (*levels, None), truth))
        reached = {next((i for i, p in enumerate(policies) if holds(p.match, case)), -1) for case in cases}
        for i in range(len(policies)):
            assert (left_by(sets[:i], sets[i]) is not None) == (i in reached)


def holds(match: Match | None, case: tuple[str | None, str | None, bool]) -> bool:
    assert match is not None
    team, level, complaint = case
    return (
        (match.team is None or team in match.team)
        and (match.priority is None or level in match.priority)
        and (match.complaint is None or complaint == match.complaint)
    )


# What two policies take

OVERLAPS = [
    # As special as each other, and the first promises less: probably the wrong way round.
    (["match: {channel: phone}, " + TWO, "match: {priority: L1}, " + ONE, ONE],
     ["p:3: warning: 'p0' wins over 'p1' where both match (for example channel phone, priority L1) and promises less: "
      "connect within 2m, not 1m"]),
    (["match: {customer_tier: vip}, clocks: {resolution: {target: 3bd, calendar: office}}",
      "match: {complaint: true}, clocks: {resolution: {target: 2bd, calendar: office}}", ONE],
     ["p:3: warning: 'p0' wins over 'p1' where both match (for example customer_tier vip, complaint) and promises "
      "less: resolution within 3 business days, not 2 business days"]),
    # The first promises more, or who can tell.
    (["match: {channel: phone}, " + ONE, "match: {priority: L1}, " + TWO, ONE],
     ["p:3: note: 'p0' wins over 'p1' where both match (for example channel phone, priority L1)"]),
    (["match: {channel: phone}, clocks: {connect: {target: 2m, calendar: office}}", "match: {priority: L1}, " + ONE,
      ONE],
     ["p:3: note: 'p0' wins over 'p1' where both match (for example channel phone, priority L1)"]),
    # More special: the first is an exception to the second.
    (["match: {channel: phone, team: a}, " + TWO, "match: {priority: L1}, " + ONE, ONE],
     ["p:3: note: 'p0' wins over 'p1' where both match (for example channel phone, team a, priority L1)"]),
    # One line however many policies lose.
    (["match: {customer_tier: vip}, " + ONE, *(f"match: {{team: {team}}}, " + TWO for team in "abcde"), ONE],
     ["p:3: note: 'p0' wins over 'p1', 'p2', 'p3' and 2 more where both match (for example team a, customer_tier "
      "vip)"]),
]  # fmt: skip
OFFICE = 'calendars: {office: {hours: {mon: ["09:00-18:00"]}}}\n'


@pytest.mark.parametrize(("policies", "found"), OVERLAPS)
def test_overlaps(policies: list[str], found: list[str]) -> None:
    head = OFFICE if "office" in str(policies) else ""
    moved = [line.replace("p:3:", "p:4:") for line in found] if head else found
    assert findings(*policies, head=head) == moved


PHONE, URGENT = "match: {channel: phone}, ", "match: {priority: L1}, "


@pytest.mark.parametrize(
    "policies",
    [
        ["match: {channel: phone, priority: L1}, " + ONE, PHONE + TWO, ONE],  # what the order is for
        [PHONE + ONE, URGENT + ONE, TWO],  # no difference
        [PHONE + ONE, URGENT + "clocks: {update: {target: 1h}}", ONE],  # no clock in common
        [PHONE + ONE, "match: {channel: chat}, " + TWO, ONE],  # no case in common
        ["match: {channel: phone, priority: L1}, " + ONE, PHONE + TWO, URGENT + ONE, ONE],  # the first has those
    ],
)
def test_the_usual_order_is_no_overlap(policies: list[str]) -> None:
    assert findings(*policies) == []


def check_of(matches: Iterable[str]) -> Report:
    lines = [f"  - {{name: p{number}, {match}}}" for number, match in enumerate(matches)]
    return check("\n".join(["version: 1", "policies:", *lines, f"  - {{name: rest, {ONE}}}"]))


def test_thousands_of_policies_are_told_apart_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps grow with the policies, not with their pairs: 1,000 have half a million."""
    matches = [f"match: {{team: t{n}, priority: [L{n % 3 + 1}, L2]}}, clocks: {{connect: {{target: {n % 9 + 1}m}}}}"
               for n in range(1_000)]  # fmt: skip
    monkeypatch.setattr(policy_order, "MOST_STEPS", 20 * len(matches))
    assert check_of(matches).findings == []
    twice = check_of([*matches, *matches[:3]]).findings
    assert twice == [
        f"p:{1003 + n}: warning: 'p{1000 + n}' is never reached: 'p{n}' takes all of its cases" for n in range(3)
    ]


def test_of_many_policies_that_together_take_all_some_are_named() -> None:
    teams = [f"t{n}" for n in range(100)]
    (said,) = check_of(f"match: {{team: {team}}}, {ONE}" for team in [*teams, f"[{', '.join(teams)}]"]).findings
    assert said.startswith("p:103: warning: 'p100' is never reached: 'p0', 'p1', 'p2', ")
    assert said.endswith(" and 80 more together take all of its cases")


def test_where_matches_are_too_entangled_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_order, "MOST_STEPS", 1_000)
    found = check_of(f"match: {{{key}: {key}-{n}}}, {ONE if key == 'team' else TWO}" for key in ("team", "queue")
                     for n in range(50)).findings  # fmt: skip
    assert (
        "p:2: note: the matches overlap in too many ways to go through all: what is said of their order is not all"
        in found
    )


# Other findings

OTHERS = [
    ("no clock uses calendar 'spare'", 3, """version: 1
calendars:
  spare: {hours: {mon: ["09:00-18:00"]}}
  used: {hours: {mon: ["09:00-18:00"]}}
policies:
  - {name: a, clocks: {connect: {target: 1m, calendar: used}}}
"""),
    ("'a' promises nothing to its cases", 3, """version: 1
policies:
  - name: a
    clocks: {}
"""),
    ("'a', update: never warns before the breach", 7, """version: 1
policies:
  - name: a
    clocks:
      update:
        target: 1h
        warn_at: []
"""),
    ("'a', resolution: on calendar 'always' every day is a business day of 24 h", 6, """version: 1
policies:
  - name: a
    clocks:
      resolution:
        target: 5bd
"""),
    ("'a', complaint_ack: never starts: a complaint starts it, and complaints do not fall under this policy", 6,
     """version: 1
policies:
  - name: a
    match: {complaint: false}
    clocks:
      complaint_ack: {target: 2h}
  - {name: b, clocks: {connect: {target: 1m}}}
"""),
    ("'a', repair: never starts: a complaint starts it, and complaints do not fall under this policy", 4, """version: 1
policies:
  - {name: a, match: {complaint: false}, clocks: {
      repair: {target: 2h, start: complaint.filed, stop: contact.closed}}}
  - {name: b, clocks: {connect: {target: 1m}}}
"""),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "line", "text"), OTHERS)
def test_other_warnings(reason: str, line: int, text: str) -> None:
    assert check(text).findings == [f"p:{line}: warning: {reason}"]


def test_findings_come_in_order_of_lines() -> None:
    silent = "clocks: {connect: {target: 1m, warn_at: []}}"
    found = findings("match: {team: a}, clocks: {}", ONE, f"match: {{team: b}}, {silent}", ONE)
    assert [line.split(":")[1] for line in found] == ["3", "5", "5"]


def test_with_errors_nothing_else_is_said() -> None:
    report = check("version: 1\npolicies:\n  - {name: a, clocks: {conect: {targt: 1m}}}\n")
    assert report == Report(
        errors=[
            "p:3: policies.0.clocks.conect: a custom clock says what stops it (stop); did you mean 'connect'?",
            "p:3: policies.0.clocks.conect.target: is missing",
            "p:3: policies.0.clocks.conect.targt: unknown key; did you mean 'target'?",
        ]
    )


# In words

WORDS = """calendar office: mon-fri 09:00-12:00 and 13:00-18:00; sun 10:00-12:00 (Asia/Shanghai), closed on public \
holidays of CN, make-up workdays 09:00-12:00, closed on 2026-12-31, on 2026-10-10 09:00-18:00

every case:
  callback:            at the promised time, or within 24h where none is said, warns at 80%

urgent: complaints with channel app or chat, priority L1
  first_response:      within 90s of calendar office, warns at 50% and 80%
  update:              every 1 business day of calendar office, warns at 80%
  diagnosis:           within 4h, from contact.transferred to milestone diagnosis, not counted while waiting on \
customer or third party, warns at 80%
  repair:              within 5d, from contact.opened to contact.closed, warns of nothing

calm: cases that are no complaint
  resolution:          within 5 business days of calendar office, warns at 80%
  reopened:            the resolution counts from what had elapsed when it was resolved

rest: all other cases

metrics: answered in time within 30s, abandoned at once within 5s, contacted again within 7d, satisfied from CSAT 4"""


def test_a_policy_in_words() -> None:
    assert (
        check("""version: 1
calendars:
  office:
    timezone: Asia/Shanghai
    hours:
      mon: &day ["09:00-12:00", "13:00-18:00"]
      tue: *day
      wed: *day
      thu: *day
      fri: *day
      sun: ["10:00-12:00"]
    holidays: CN
    makeup: ["09:00-12:00"]
    closed: [2026-12-31]
    open: {2026-10-10: ["09:00-18:00"]}
policies:
  - name: urgent
    match: {channel: [app, chat], priority: L1, complaint: true}
    clocks:
      first_response: {target: 90s, calendar: office, warn_at: [0.8, 0.5]}
      update: {target: 1bd, calendar: office}
      callback: {}
      diagnosis:
        {target: 4h, start: contact.transferred, stop: {milestone: diagnosis}, pause_on: [customer, third_party]}
      repair: {target: 5d, stop: contact.closed, warn_at: []}
  - name: calm
    match: {complaint: false}
    clocks: {resolution: {target: 5bd, calendar: office}, callback: {target: 24h}}
    reopen: subtract
  - {name: rest, clocks: {callback: {}}}
metrics: {answer_within: 30s}
""").words
        == WORDS
    )


def test_the_policy_that_ships_yields_no_warning() -> None:
    report = check(default_policy().text)
    assert report.errors == []
    assert [line for line in report.findings if ": warning: " in line] == []
    assert report.words.startswith("calendar office: mon-fri 09:00-18:00 (Asia/Shanghai), closed on public holidays of")


DOCUMENTS = Path(__file__).parents[3]
EXAMPLES = [
    block
    for name in ("README.md", "docs/policy.md")
    for block in re.findall(r"^version: 1$.*?(?=^(?:EOF|```)$)", (DOCUMENTS / name).read_text("utf-8"), re.M | re.S)
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_in_documents_are_good(text: str) -> None:
    report = check(text)
    assert (report.errors, report.findings) == ([], [])


# The command

BAD = "version: 1\npolicies:\n  - name: a\n    clocks:\n      connect: {target: soon}\n      update: {}\n"


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["check-policy", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_lists_all_errors_and_ends_with_2(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(BAD, encoding="utf-8")
    code, out, err = run(str(path))
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        f"{path}:5: policies.0.clocks.connect.target: 'soon' is not a duration; write 15s, 5m, 2h, 5d or 5bd "
        "(whole business days)",
        f"{path}:6: policies.0.clocks.update.target: is missing",
    ]


def test_the_command_says_a_policy_in_words_then_what_looks_unmeant(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(BAD.replace("soon", "1m").replace("{}", "{target: 1h, warn_at: []}"), encoding="utf-8")
    finding = f"{path}:6: warning: 'a', update: never warns before the breach\n"
    code, out, err = run(str(path))
    assert (code, err) == (0, "")
    assert out.startswith("a: all other cases\n  connect:             within 1m, warns at 80%\n")
    assert out.endswith(f"\n\n{finding}")
    assert run("--quiet", str(path)) == (0, finding, "")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.yaml: cannot be read: No such file"):
        check_policy(tmp_path / "none.yaml")


def test_the_command_takes_the_policy_that_ships() -> None:
    code, out, _ = run(str(files("schemas").joinpath("default_policy.yaml")))
    assert code == 0
    assert "\nphone-urgent: cases with channel phone, priority L1\n" in out
