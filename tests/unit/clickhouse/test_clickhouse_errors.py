"""The engine's error texts as the answers a server gives."""

import pytest

from services.clickhouse.errors import from_engine


@pytest.mark.parametrize(
    ("text", "code", "status", "body"),
    [
        (
            "Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)",
            60,
            404,
            "Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE) (version 26.9)\n",
        ),
        (
            "Code: 73. DB::Exception: Code: 73. DB::Exception: Unknown format Nope. (UNKNOWN_FORMAT)"
            " (version 26.9.2.1). (UNKNOWN_FORMAT) (version 26.9.2.1). (UNKNOWN_FORMAT)",
            73,
            404,
            "Code: 73. DB::Exception: Unknown format Nope. (UNKNOWN_FORMAT) (version 26.9)\n",
        ),
        (
            "Code: 519. DB::NetException: All failed: Code: 210. DB::NetException: refused. (NETWORK_ERROR)"
            " (version 26.9.2.1)  (NO_REMOTE_SHARD_AVAILABLE)",
            519,
            500,
            "Code: 519. DB::Exception: All failed: Code: 210. DB::NetException: refused. (NETWORK_ERROR)."
            " (NO_REMOTE_SHARD_AVAILABLE) (version 26.9)\n",
        ),
        (
            "something else",
            1002,
            500,
            "Code: 1002. DB::Exception: something else. (UNKNOWN_EXCEPTION) (version 26.9)\n",
        ),
    ],
)
def test_engine_errors(text: str, code: int, status: int, body: str) -> None:
    error = from_engine(text)
    assert (error.code, error.status) == (code, status)
    assert error.body("26.9").decode() == body
