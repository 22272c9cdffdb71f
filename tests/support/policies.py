"""Policy files that cannot be used, one of every kind that was ever met or thought of."""

from schemas.policy_source import MOST_BYTES
from schemas.policy_yaml import MOST_DEPTH

GOOD = b"""version: 1
calendars:
  office: {timezone: Asia/Shanghai, hours: {mon: ["09:00-18:00"]}, holidays: CN, open: {2026-10-10: ["09:00-18:00"]}}
policies:
  - name: urgent
    match: {priority: [L1], channel: [app, chat], complaint: true}
    clocks: &any
      connect: {target: 5m, warn_at: [0.5, 0.8]}
      resolution: {target: 5bd, calendar: office, pause_on: [customer]}
      diagnosis: {target: 4h, start: contact.transferred, stop: {milestone: diagnosis}}
    reopen: subtract
  - name: rest
    clocks:
      <<: *any
      callback: {}
metrics: {answer_within: 20s, csat_pass: 4}
"""
"""One that can."""


def _with(old: bytes, new: bytes) -> bytes:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def _target(target: bytes) -> bytes:
    return _with(b"target: 5m", b"target: " + target)


def _calendar(said: bytes) -> bytes:
    return _with(b"timezone: Asia/Shanghai", said)


_LAUGHS = b"a0: &a0 [ha, ha]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 12)
)
_MERGES = b"m0: &m0 {x: 1, y: 2}\n" + b"".join(
    b"m%d: &m%d {<<: [%s]}\n" % (i, i, b", ".join([b"*m%d" % (i - 1)] * 9)) for i in range(1, 12)
)
BAD: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b"\n  \n",
    "a list": b"- a\n- b\n",
    "a word": b"policy",
    "a number": b"3",
    "no yaml": b"version: [1",
    "two documents": GOOD + b"---\n" + GOOD,
    "not UTF-8": b"version: 1\nname: \xff\xfe\n",
    "UTF-16": GOOD.decode().encode("utf-16"),
    "bytes of a program": bytes(range(256)) * 64,
    "NUL": b"version: 1\x00\n",
    "half a character": b'version: "\\ud800"\n',
    "half a character as it is": b"version: \xed\xa0\x80\n",
    "a target of 5,000 digits": _target(b"9" * 5_000),
    "a target of 5,000 digits of seconds": _target(b"9" * 5_000 + b"s"),
    "a target of 5,000 digits of days": _target(b"9" * 5_000 + b"bd"),
    "a target of 5,000 hexadecimal digits": _target(b"0x" + b"f" * 5_000),
    "a target of 5,000 sexagesimal digits": _target(b"1" + b":59" * 5_000),
    "a target of a million letters": _target(b"x" * 1_000_000),
    "an endless target": _target(b".inf"),
    "a target that is no number": _target(b".nan"),
    "a target in floating point": _target(b"1.0e+400"),
    "a target of a mapping": _target(b"{a: b}"),
    "a share that is no number": _with(b"[0.5, 0.8]", b"[.nan]"),
    "an endless share": _with(b"[0.5, 0.8]", b"[.inf]"),
    "a tag of a number": _target(b"!!int x"),
    "a tag of a truth": _target(b"!!bool x"),
    "a tag of a date": _target(b"!!timestamp x"),
    "a tag of a program": _target(b"!!python/object/apply:os.system [true]"),
    "a tag of bytes": _target(b"!!binary aGk="),
    "a tag of nobody": _target(b"!thing x"),
    "many tags": b"%YAML 1.1\n" + b"".join(b"%%TAG !a%d! b\n" % i for i in range(100)) + b"---\n" + GOOD,
    "maps nested 3,000 deep": b"a: " + b"{a: " * 3_000,
    "lists nested 100,000 deep": b"a: " + b"[" * 100_000,
    "blocks nested 1,000 deep": b"- " * 1_000 + b"a",
    "just too deep": b"a: " + b"[" * MOST_DEPTH + b"]" * MOST_DEPTH,
    "an alias of nothing": _target(b"*nothing"),
    "an alias of itself": b"a: &a [*a]\n",
    "a key that contains itself": b"a: &a {*a : 1}\n",
    "a merge of itself": b"a: &a {<<: *a}\n",
    "an anchor given twice": b"a: &a 1\nb: &a 2\n",
    "a billion laughs": _LAUGHS,
    "a billion merges": _MERGES + b"policies: 3\n",
    "a merge of a number": _with(b"<<: *any", b"<<: 3"),
    "a key given twice": _with(b"name: rest", b"name: rest\n    name: again"),
    "a key that is a list": b"? [a, b]\n: c\n",
    "a key that is a number": b"1: 2\n",
    "a key that is nothing": b"~: 2\n",
    "a key of 100,000 letters": b"version: 1\n" + b"k" * 100_000 + b": 1\n",
    "a key with a line break": GOOD + b'"a\\nb\\e[31m": 1\n',
    "a calendar that is a number": _with(b"calendars:\n  office: {", b"calendars: 3\nspare:\n  office: {"),
    "a country of nobody": _calendar(b"timezone: UTC").replace(b"holidays: CN", b"holidays: XX"),
    "a time zone that is a way": _calendar(b'timezone: "../../etc/passwd"'),
    "a time zone that is a way from the top": _calendar(b"timezone: /etc/passwd"),
    "a time zone without a name": _calendar(b'timezone: ""'),
    "a time zone of 5,000 letters": _calendar(b"timezone: " + b"z" * 5_000),
    "a day that no year has": _with(b"2026-10-10", b"2026-02-30"),
    "a year that is none": _with(b"2026-10-10", b"0000-01-01"),
    "a year that is far": _with(b"2026-10-10", b"12026-10-10"),
    "a moment after all years": _with(b"2026-10-10", b"9999-12-31T23:59:59-23:59"),
    "policies that are a number": b"version: 1\npolicies: 3\n",
    "a policy that is a number": b"version: 1\npolicies: [3]\n",
    "50,000 policies that are numbers": b"version: 1\npolicies: [" + b"3, " * 50_000 + b"]\n",
    "just too large": GOOD + b"#" * (MOST_BYTES + 1 - len(GOOD)),
    "too large once it is told": GOOD + b"\n" * (MOST_BYTES // 2),
}
"""By what is wrong."""
