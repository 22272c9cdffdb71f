"""Writes the configuration the engine starts with, and names the limits of the server."""

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

READER_ROLE = "reader"
"""The read-only user's role: it may read tables, and nothing outside the engine (no files, URLs, other servers)."""

# The engine has one user; who asked is decided by the HTTP layer, which narrows a connection to READER_ROLE. So the
# engine's user holds nothing itself: all it may do comes from roles that a connection can give up.
_USERS = """<clickhouse>
  <profiles><default><max_result_bytes>{max_result_bytes}</max_result_bytes></default></profiles>
  <quotas><default/></quotas>
  <roles>
    <full><grants><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants></full>
    <{reader}><grants><query>GRANT SHOW, SELECT, dictGet ON *.*</query></grants></{reader}>
  </roles>
  <users>
    <default>
      <password></password>
      <networks><ip>::/0</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants><query>GRANT full</query><query>GRANT {reader}</query></grants>
    </default>
  </users>
</clickhouse>
"""

_ENGINE = """<clickhouse>
  <timezone>UTC</timezone>
  <users_config>{users}</users_config>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
  <max_server_memory_usage_to_ram_ratio>0.6</max_server_memory_usage_to_ram_ratio>
</clickhouse>
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask of the server."""

    body_bytes: int = 256 * 1024 * 1024
    """Largest request body, decompressed. A store's batch is a few MiB; 1e6 wide rows are about 200 MiB."""
    result_bytes: int = 1024 * 1024 * 1024
    """Largest result, as it is built in memory before it is sent; a query may ask for more with max_result_bytes."""
    connections: int = 512
    """Open HTTP connections; each costs a thread."""
    reads: int = 16
    """Reading statements that run at once; more wait. Kept apart from writes so that reads never starve inserts."""
    writes: int = 16
    """Writing statements that run at once; more wait."""
    wait_s: float = 60.0
    """A statement that waited this long for its turn fails with TOO_MANY_SIMULTANEOUS_QUERIES."""
    sessions: int = 1024
    """Open sessions; each holds an engine connection."""
    session_s: float = 60.0
    """How long an idle session lives unless the client says otherwise (session_timeout), as on a real server."""
    session_max_s: float = 3600.0
    """Longest session_timeout a client may ask for, as on a real server."""
    idle_s: float = 300.0
    """An idle keep-alive connection is closed after this long. Long: a client that sends an insert just as the server
    closes sees an error it must not retry."""
    stop_s: float = 10.0
    """How long a stop waits for running writes."""


def write_engine_config(directory: Path, limits: Limits) -> Path:
    """Write the engine's configuration under `directory` (made if missing); returns the file to start with."""
    directory.mkdir(parents=True, exist_ok=True)
    users = directory / "users.xml"
    users.write_text(_USERS.format(reader=READER_ROLE, max_result_bytes=limits.result_bytes), encoding="utf-8")
    engine = directory / "engine.xml"
    engine.write_text(_ENGINE.format(users=escape(str(users))), encoding="utf-8")
    return engine
