"""What `bench.metrics` asks about, made inside ClickHouse."""

from clickhouse_connect.driver.client import Client

MINUTE_MS = 60_000
_LOT_MINUTES = 60
_LOT = 2_000_000

_AGENT = "concat('agent ', leftPad(toString(s), 4, '0'))"
_ABOUT = f"""
    ['phone', 'chat', 'app', 'email'][s % 4 + 1] AS channel, concat('team ', toString(s % 20)) AS team,
    {_AGENT} AS agent_id, ['L1', 'L2', 'L3'][s % 3 + 1] AS priority
"""
_BUCKET = "toUInt16(if({0} < 1, 0, 1 + ceil(log({0}) / log(1.01 / 0.99) - 1e-9)))"


def day_of_series(client: Client, now_ms: int) -> None:
    """One-minute slices of 25 hours up to now in 1,000 series: a contact a minute in each."""
    end = now_ms // MINUTE_MS
    wait, took = "toInt64(randExponential(1 / 14000))", "toInt64(randLogNormal(13.5, 0.8))"
    for first in range(end - 25 * 60, end + 1, _LOT_MINUTES):
        minutes = min(_LOT_MINUTES, end + 1 - first)
        client.command(f"""
            INSERT INTO contact_slices (
                slice, channel, team, agent_id, priority, customers, partition, generation, version, told_at,
                events, opened, connected, connect_wait_ms, connected_in_limit, connect_wait,
                resolved, resolution_ms, resolution)
            WITH number % 1000 AS s, {wait} AS waited, {took} AS solved
            SELECT
                fromUnixTimestamp64Milli(toInt64({first} + intDiv(number, 1000)) * {MINUTE_MS}, 'UTC') AS slice,
                {_ABOUT}, [cityHash64(number) % 9007199254740992], s % 4, 0, 1, slice + toIntervalSecond(61),
                12, 1, 1, waited, waited <= 20000, map({_BUCKET.format("waited")}, 1),
                1, solved, map({_BUCKET.format("solved")}, 1)
            FROM numbers({minutes * 1000})""")


def month_of_outcomes(client: Client, now_ms: int, count: int) -> None:
    """So many ended clocks of 30 days and 100,000 open ones, the slices they add up to, and cases: one in three of the
    clocks, of which 100,000 are open."""
    begin = now_ms - 30 * 1440 * MINUTE_MS
    at = f"fromUnixTimestamp64Milli({begin} + intDiv(toInt64(n) * {now_ms - begin}, {count}), 'UTC')"
    for first in range(0, count, _LOT):
        lot = f"(SELECT number + {first} AS n FROM numbers({min(_LOT, count - first)}))"
        client.command(f"""
            INSERT INTO outcomes (case_id, clock, seq, policy, calendar, state, target_s, elapsed_s, started_at, due_at,
                stopped_at, breached_at, channel, team, agent_id, priority, version, withdrawn, told_at)
            WITH cityHash64(n) % 1000 AS s, {at} AS at,
                multiIf(n % 11 = 3, 'breached', n % 50 = 7, 'cancelled', 'met') AS told
            SELECT {_case("intDiv(n, 3)")}, ['connect', 'first_response', 'resolution'][n % 3 + 1], 0, 'standard',
                'always', told, 60, 30 + n % 997, at - toIntervalSecond(60), at, at, if(told = 'breached', at, NULL),
                {_ABOUT}, n, 0, at
            FROM {lot}""")
        client.command(f"""
            INSERT INTO cases (case_id, {_CASE_COLUMNS}, opens, ends, partition, version, told_at)
            WITH cityHash64(n) % 1000 AS s, {at} AS at
            SELECT {_case("n")}, {_ABOUT}, at, at, at + toIntervalSecond(10), [at], [at + toIntervalHour(1)], 0, n, at
            FROM {lot} WHERE n % 3 = 0""")
    open_ = f"WITH n % 1000 AS s, fromUnixTimestamp64Milli({now_ms} - toInt64(n) * 200, 'UTC') AS at"
    client.command(f"""
        INSERT INTO outcomes (case_id, clock, seq, policy, calendar, state, target_s, elapsed_s, started_at, due_at,
            channel, team, agent_id, priority, version, withdrawn, told_at)
        {open_}
        SELECT concat('open-', {_case("n")}), 'resolution', 0, 'standard', 'always', 'running', 86400, 0, at,
            at + toIntervalDay(1), {_ABOUT}, n, 0, at
        FROM (SELECT number AS n FROM numbers(100000))""")
    client.command(f"""
        INSERT INTO cases (case_id, {_CASE_COLUMNS}, opens, ends, partition, version, told_at)
        {open_}
        SELECT concat('open-', {_case("n")}), {_ABOUT}, at, at, if(n % 2, at, NULL), [at], [], 0, n, at
        FROM (SELECT number AS n FROM numbers(100000))""")
    _slices_of_outcomes(client)


def touched(client: Client) -> None:
    """States that every hour with slices was touched once, an hour ago: rolling up need not wait for quiet."""
    for kind in ("clock", "contact"):
        client.command(
            "INSERT INTO slice_touches (kind, hour, touches, first, last)"
            f" SELECT '{kind}', toStartOfHour(slice) AS hour, 1, now64(3) - toIntervalHour(1) AS then, then"
            f" FROM {kind}_slices GROUP BY hour"
        )


_CASE_COLUMNS = "channel, team, agent_id, priority, opened_at, queued_at, connected_at"


def _case(n: str) -> str:
    """Ids as they come: no order in them that would help."""
    return f"hex(cityHash64({n}, 'case'))"


def _slices_of_outcomes(client: Client) -> None:
    days = client.query("SELECT DISTINCT toDate(ended_at) AS day FROM outcomes WHERE ended_at IS NOT NULL ORDER BY day")
    dimensions = "channel, team, agent_id, priority"
    bucket = _BUCKET.format("elapsed_s * 1000")
    for (day,) in days.result_rows:
        of_day = f"FROM outcomes WHERE toDate(ended_at) = '{day}'"
        client.command(f"""
            INSERT INTO clock_slices (
                slice, clock, {dimensions}, met, breached, cancelled, stopped, partition, generation, version)
            SELECT toStartOfMinute(assumeNotNull(ended_at)) AS minute, clock, {dimensions}, countIf(state = 'met'),
                countIf(state = 'breached'), countIf(state = 'cancelled'), count(), 0, 0, 1
            {of_day} GROUP BY minute, clock, {dimensions}""")
        client.command(f"""
            INSERT INTO contact_slices (
                slice, {dimensions}, events, clocks_met, clocks_ended, resolved, resolution_ms, resolution,
                partition, generation, version)
            SELECT toStartOfMinute(assumeNotNull(ended_at)) AS minute, {dimensions}, count(), countIf(state = 'met'),
                countIf(state IN ('met', 'breached')), countIf(clock = 'resolution'),
                toInt64(sumIf(elapsed_s * 1000, clock = 'resolution')),
                sumMapIf(map({bucket}, toInt64(1)), clock = 'resolution'), 0, 0, 1
            {of_day} GROUP BY minute, {dimensions}""")
