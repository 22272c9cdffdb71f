"""ClickHouse over HTTP: connecting, and inserting NDJSON as it came, with the two kinds of failure told apart."""

from ipaddress import ip_address
from time import perf_counter
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import cramjam
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error, OperationalError

from schemas.errors import InputError
from schemas.rollup import VersionedContactSlice
from schemas.settings import Settings

INSERT_SETTINGS: dict[str, int | str] = {
    # The store batches itself; the server's own batching (default since 26.3) would only add its waiting time.
    "async_insert": 0,
    # Where the table's engine knows a block that comes again (Replicated ones do), it must reach the tables that views
    # feed nevertheless: the first try may have failed before them. Newer servers do so by themselves.
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "date_time_input_format": "best_effort",
    # A newer worker may tell more than our tables hold.
    "input_format_skip_unknown_fields": 1,
    # null where a text or an instant is needed is a bad row, not an empty one (numbers it takes for 0 regardless).
    "input_format_null_as_default": 0,
    # An import of ten years of history touches more than the default 100 monthly partitions at once.
    "max_partitions_per_insert_block": 0,
}

# Columns that are taken apart and not kept are filled only where an INSERT names them.
_COLUMNS = {"contact_slices": VersionedContactSlice.__struct_fields__}

# ClickHouse's error codes where rows are at fault: texts, quotes, dates, numbers, types, JSON that cannot be parsed;
# values out of range; null where none may be; broken constraints. Any other code is the server's own trouble.
ROW_ERRORS = frozenset(
    {6, 25, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 130, 131, 190, 306, 321, 349, 376, 407, 441, 467, 469}
)

NOT_ENOUGH_SPACE = 243
_NO_SPACE = "No space left on device"
"""What the system says where ClickHouse did not look before it wrote; its code is that of the failed call then."""

INSERT_TIMEOUT_S = 60
"""A block of 100,000 rows takes well under two seconds; a server that needs a minute is as good as away."""


class RowsRefused(Exception):
    """ClickHouse read the block and found a row it cannot take. Trying the same block again is pointless."""


class ClickHouseAway(Exception):
    """The block could not be inserted, and not for its rows: try the same block again later."""


class DiskFull(ClickHouseAway):
    """ClickHouse is there and has no room left. It takes the block once somebody has made some."""


def database(settings: Settings) -> str:
    """The database named in the URL."""
    return unquote(urlsplit(settings.clickhouse.get_secret_value()).path.strip("/")) or "default"


def connect(settings: Settings, *, to_database: bool = True) -> Client:
    """A client for the URL of the settings; `to_database=False` leaves its database aside (it may not exist yet).

    Asks the server for its version, so it raises clickhouse-connect's `Error` where there is none. Raises `InputError`
    for a URL that is none.
    """
    url = settings.clickhouse.get_secret_value()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("CONTACTPULSE_CLICKHOUSE: write http[s]://user:password@host:port/database")
    return clickhouse_connect.get_client(
        dsn=parts._replace(path=f"/{parts.path.strip('/')}" if to_database else "").geturl(),
        interface=parts.scheme,
        # A session would be locked by the request that a broken connection left behind.
        autogenerate_session_id=False,
        connect_timeout=5,
        send_receive_timeout=INSERT_TIMEOUT_S,
    )


class Tables:
    """Inserts NDJSON into tables. Connects when first needed, and again by itself after the server was away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None
        # lz4 pays over a network; on this machine it only costs both sides time.
        self._compress = not _is_loopback(urlsplit(settings.clickhouse.get_secret_value()).hostname or "")

    def insert(self, table: str, ndjson: bytes) -> float:
        """Insert all rows of one block; returns the seconds it took. Blocks at most about `INSERT_TIMEOUT_S`.

        Raises `RowsRefused` or `ClickHouseAway` (`DiskFull`, where that is why); a part of the block may have been
        inserted then.
        """
        started = perf_counter()
        try:
            if self._client is None:
                self._client = connect(self._settings)
            self._client.raw_insert(
                table,
                insert_block=bytes(cramjam.lz4.compress(ndjson)) if self._compress else ndjson,
                column_names=_COLUMNS.get(table),
                fmt="JSONEachRow",
                settings=INSERT_SETTINGS,
                compression="lz4" if self._compress else None,
            )
        except Error as error:
            if error.code in ROW_ERRORS:
                raise RowsRefused(one_line(error)) from error
            # Not of rows that are at fault: the text may quote them.
            if error.code == NOT_ENOUGH_SPACE or _NO_SPACE in str(error):
                raise DiskFull(one_line(error)) from error
            raise ClickHouseAway(one_line(error)) from error
        return perf_counter() - started

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()


def is_away(error: Exception) -> bool:
    """Whether an error of clickhouse-connect says that no server answered (rather than what one answered)."""
    return isinstance(error, OperationalError) and error.code is None


def one_line(error: ClickHouseError) -> str:
    """What went wrong without line breaks, and of a length fit for a log line and a header. Never holds a password."""
    cause = error.__cause__
    # Where no server answered, urllib3's reason says so in fewer words than the message with the whole request in it.
    text = str(getattr(cause, "reason", cause) if cause is not None else error)
    return " ".join(text.removeprefix("Received ClickHouse exception, ").split())[:500]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
