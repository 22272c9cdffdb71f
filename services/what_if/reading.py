"""The events of cases out of ClickHouse, whole cases at a time, in the order of the table's key."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.errors import WorkFailed
from schemas.policy import PolicyFile, default_policy, load_policy, parse_policy
from schemas.settings import Settings
from schemas.times import text

PAGE_CASES = 5_000
"""Cases read at once: some 50,000 events, 20 MB. The embedded ClickHouse makes a whole answer before it sends any."""

_SETTINGS = {
    # The product reads and writes beside us; one thread of the server is faster than we are.
    "max_threads": 1,
    "max_execution_time": 50,
    # We may be killed at any moment; nobody reads the rest then.
    "cancel_http_readonly_queries_on_client_close": 1,
}
_WITH_DATA = (
    "contact.opened", "contact.pending", "contact.resumed", "contact.updated", "contact.transferred",
    "milestone.reached", "callback.promised", "callback.made",
)  # fmt: skip
"""Types whose `data` moves clocks."""
# A key may also be written with escapes, so those count as if it were there: too many may be found, never too few.
_IN_BODY = ('"priority"', '"customer_tier"', '"category"', '"queue"', "\\u")

_OPENED = """
type = 'contact.opened' AND case_id > {after:String}
AND occurred_at >= fromUnixTimestamp64Milli({opened_from:Int64}, 'UTC')
AND occurred_at < fromUnixTimestamp64Milli({opened_to:Int64}, 'UTC')
AND occurred_at <= fromUnixTimestamp64Milli({until:Int64}, 'UTC')
"""
_PAGE = f"""
SELECT case_id, toUnixTimestamp64Milli(occurred_at) AS t, event_id, type, channel, team, agent_id,
    if(has({{with_data:Array(String)}}, type) OR multiSearchAny(body, {{in_body:Array(String)}}), body, '') AS body
FROM events FINAL
WHERE case_id IN (SELECT DISTINCT case_id FROM events WHERE {_OPENED} ORDER BY case_id LIMIT {{cases:UInt32}})
AND occurred_at <= fromUnixTimestamp64Milli({{until:Int64}}, 'UTC')
ORDER BY case_id, occurred_at, event_id
"""

Columns = Sequence[Sequence[Any]]
"""The fields of `streams.what_if.history.Stored`, one sequence each."""


def newest_stream_time(client: Client) -> int:
    """The newest stream time that any partition has told, in ms. Raises `WorkFailed` where there is none."""
    (row,) = client.query("SELECT count(), toUnixTimestamp64Milli(max(stream_time)) FROM watermarks FINAL").result_rows
    if not row[0]:
        raise WorkFailed("the store holds no watermark yet: nothing was judged so far, or give the final stream time")
    return int(row[1])


def policy_in_force(client: Client, settings: Settings) -> tuple[PolicyFile, str]:
    """The policy file that the product judges by now, and where it comes from.

    The newest that a worker told; before any did, the one that the settings name or that ships. Raises `PolicyError`.
    """
    told = client.query(
        "SELECT text, toUnixTimestamp64Milli(since) FROM policies FINAL ORDER BY since DESC, version DESC LIMIT 1"
    ).result_rows
    if told:
        return parse_policy(told[0][0], "policy in force"), f"the policy in force{_since(told[0][1])}"
    if settings.policy is not None:
        return load_policy(settings.policy), str(settings.policy)
    return default_policy(), "the policy that ships"


def _since(ms: int) -> str:
    return f" since {text(ms)}" if ms > 0 else ""


def count_cases(client: Client, opened_from: int, opened_to: int, until: int) -> int:
    """About how many cases `pages` will give: one twice opened counts twice here."""
    return int(
        client.query(
            f"SELECT count() FROM events WHERE {_OPENED}",
            parameters={"after": "", "opened_from": opened_from, "opened_to": opened_to, "until": until},
        ).result_rows[0][0]
    )


def pages(
    client: Client, opened_from: int, opened_to: int, until: int, page_cases: int = PAGE_CASES
) -> Iterator[Columns]:
    """All events up to `until` of the cases with a contact.opened in [opened_from, opened_to), in ms.

    Rows are in order of case_id, time, event_id, one row a key; a page holds whole cases. The next one is fetched while
    a page is worked on.
    """
    parameters = {
        "opened_from": opened_from,
        "opened_to": opened_to,
        "until": until,
        "cases": page_cases,
        "with_data": list(_WITH_DATA),
        "in_body": list(_IN_BODY),
    }

    def fetch(after: str) -> Columns:
        found = client.query(_PAGE, parameters={**parameters, "after": after}, settings=_SETTINGS)
        columns: Columns = found.result_columns
        return columns

    with ThreadPoolExecutor(1, "what-if-reads") as reader:
        columns = fetch("")
        while columns and columns[0]:
            ahead = reader.submit(fetch, columns[0][-1])
            yield columns
            columns = ahead.result()
