"""POST /v1/events over a socket: every answer of the contract that needs no broker."""

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from schemas.errors import InputError
from schemas.settings import Settings
from services.ingest.app import create_app
from services.ingest.limits import IngestSettings
from services.ingest.publisher import BrokerAway
from tests.integration.ingest.conftest import KEY, Held, eventually, serving

NDJSON = {"Content-Type": "application/x-ndjson"}
CLOUDEVENT = {"specversion": "1.0", "id": "ce", "source": "/x", "type": "contact.queued", "subject": "c1"}


def event(event_id: str = "e1", **fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"event_id": event_id, "type": "contact.queued", "occurred_at": now, "case_id": "c1", **fields}


def lines(*events: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, events)).encode()


@pytest.fixture
def door(held: Held) -> Iterator[httpx.Client]:
    app = create_app(Settings(api_key=KEY), ingest=IngestSettings(max_in_flight=2), publisher=held)
    with serving(app) as client:
        yield client


def test_without_a_key_there_is_no_door() -> None:
    with pytest.raises(InputError, match="CONTACTPULSE_API_KEY"):
        create_app(Settings(api_key=None))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps(event(), indent=2), {"Content-Type": "application/json"}),
        (json.dumps([event()]), {"Content-Type": "application/json; charset=utf-8"}),
        (lines(event()), NDJSON),
        (gzip.compress(lines(event()), mtime=0), {**NDJSON, "Content-Encoding": "gzip"}),
        (zstandard.compress(lines(event())), {**NDJSON, "Content-Encoding": "zstd"}),
        (json.dumps(CLOUDEVENT | {"time": event()["occurred_at"]}), {"Content-Type": "application/cloudevents+json"}),
        (
            json.dumps([CLOUDEVENT | {"time": event()["occurred_at"]}]),
            {"Content-Type": "application/cloudevents-batch+json"},
        ),
        (
            "{}",
            {f"ce-{name}": value for name, value in CLOUDEVENT.items()}
            | {"ce-time": event()["occurred_at"], "Content-Type": "application/json"},
        ),
    ],
    ids=["object", "array", "ndjson", "gzip", "zstd", "cloudevent", "cloudevents batch", "cloudevent in headers"],
)
def test_one_event_in_every_form(door: httpx.Client, held: Held, body: bytes, headers: dict[str, str]) -> None:
    answer = door.post("/v1/events", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    (taken,) = held.taken
    assert b"\n" not in taken
    assert json.loads(taken)["case_id"] == "c1"


def test_good_events_of_a_mixed_batch_are_taken_and_the_others_named(door: httpx.Client, held: Held) -> None:
    future = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    mixed = lines(event("a"), event("b", type="contact.vanished"), event("c", occurred_at=future), event("d"))
    answer = door.post("/v1/events", content=mixed, headers=NDJSON)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    assert [(one["index"], one["event_id"], one["field"]) for one in answer.json()["rejected"]] == [
        (1, "b", "type"),
        (2, "c", "occurred_at"),
    ]
    assert b"".join(held.taken).split(b"\n") == [line for i, line in enumerate(mixed.split(b"\n")) if i in (0, 3)]


def test_all_rejected_is_422_with_the_reasons(door: httpx.Client, held: Held) -> None:
    answer = door.post("/v1/events", json=[event(type="x"), event(case_id=None)])
    assert (answer.status_code, answer.json()["accepted"], len(answer.json()["rejected"])) == (422, 0, 2)
    assert held.taken == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"hello\nworld", NDJSON, 400),
        (b'{"event_id": ', {"Content-Type": "application/json"}, 400),
        (gzip.compress(b"{}" * 100, mtime=0)[:-9], {**NDJSON, "Content-Encoding": "gzip"}, 400),
        (b"not gzip", {**NDJSON, "Content-Encoding": "gzip"}, 400),
        (b"{}\n" * 5001, NDJSON, 413),
        (b" " * (5 * 2**20 + 1), NDJSON, 413),
        (b"{}", {"Content-Type": "text/csv"}, 415),
        (b"{}", {**NDJSON, "Content-Encoding": "br"}, 415),
        (b"{}", {**NDJSON, "X-API-Key": "wrong"}, 403),
        (b"{}", {**NDJSON, "X-API-Key": "the ke\xff".encode("latin-1").decode("latin-1")}, 403),
        (b"{}", {**NDJSON, "Authorization": "Bearer wrong"}, 403),
        (b"{}", {**NDJSON, "X-API-Key": ""}, 401),
    ],
)
def test_what_the_door_refuses(door: httpx.Client, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = door.post("/v1/events", content=body, headers={k: v.encode("latin-1") for k, v in headers.items()})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["title"]
    assert answer.json()["detail"]
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_both_ways_to_send_the_key(door: httpx.Client) -> None:
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"bearer {KEY}", "X-API-Key": ""}):
        assert door.post("/v1/events", json=event(), headers=headers).status_code == 202


def test_a_body_of_ten_megabytes_gets_its_answer_declared_or_not(door: httpx.Client, held: Held) -> None:
    huge = json.dumps(event(note="x" * 10_000_000)).encode()
    assert door.post("/v1/events", content=huge, headers=NDJSON).status_code == 413
    chunked = (huge[at : at + 65536] for at in range(0, len(huge), 65536))
    assert door.post("/v1/events", content=chunked, headers=NDJSON).status_code == 413
    assert held.taken == []


def test_a_bomb_is_refused(door: httpx.Client) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()
    answer = door.post("/v1/events", content=bomb, headers={**NDJSON, "Content-Encoding": "gzip"})
    assert answer.status_code == 413


def test_one_key_cannot_fill_the_door(door: httpx.Client, held: Held) -> None:
    held.gate.clear()
    answers: list[int] = []
    posts = [
        threading.Thread(target=lambda: answers.append(door.post("/v1/events", json=event()).status_code))
        for _ in range(2)
    ]
    for post in posts:
        post.start()
    eventually(lambda: held.waiting == 2)
    refused = door.post("/v1/events", json=event())
    held.gate.set()
    for post in posts:
        post.join()
    assert (refused.status_code, refused.headers["retry-after"], answers) == (429, "1", [202, 202])
    assert door.post("/v1/events", json=event()).status_code == 202


def test_a_client_that_leaves_half_way_leaves_nothing_behind(door: httpx.Client, held: Held) -> None:
    address = (door.base_url.host, door.base_url.port or 0)
    for _ in range(3):
        with socket.create_connection(address) as half:
            half.sendall(
                f"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
                "Content-Length: 1000\r\n\r\n{".encode()
            )
    eventually(lambda: door.post("/v1/events", json=event()).status_code == 202)
    eventually(lambda: "contactpulse_ingest_requests_in_flight 0.0" in door.get("/metrics").text)


def test_what_kafka_did_not_surely_take_is_503_and_counted_as_such(door: httpx.Client, held: Held) -> None:
    held.away = "Kafka did not take the events: a broker cannot write to its disk"
    answer = door.post("/v1/events", json=[event("a"), event("b")])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["detail"].startswith(held.away)
    text = door.get("/metrics").text
    assert 'contactpulse_ingest_events_total{result="unsure"} 2.0' in text
    assert 'contactpulse_ingest_events_total{result="accepted"} 0.0' in text


def test_the_door_counts_what_it_does(door: httpx.Client) -> None:
    assert 'contactpulse_ingest_events_total{result="accepted"} 0.0' in door.get("/metrics").text
    soon = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    door.post("/v1/events", json=[event(), event(occurred_at=soon), event(type="x")])
    door.get("/anything/4711")
    text = door.get("/metrics").text
    for line in (
        'contactpulse_ingest_events_total{result="accepted"} 2.0',
        'contactpulse_ingest_events_total{result="rejected"} 1.0',
        "contactpulse_ingest_events_ahead_total 1.0",
        'contactpulse_http_requests_total{method="POST",route="/v1/events",status="202"} 1.0',
        'contactpulse_http_requests_total{method="POST",route="/v1/events",status="503"} 0.0',
        'contactpulse_http_requests_total{method="GET",route="unmatched",status="404"} 1.0',
    ):
        assert line in text


def test_paths_and_methods_that_are_not_there_are_problems_too(door: httpx.Client) -> None:
    missing, wrong = door.get("/nowhere"), door.get("/v1/events")
    assert (missing.status_code, missing.json()["title"]) == (404, "Not Found")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.headers["content-type"] == "application/problem+json"
    assert (door.get("/healthz").status_code, door.get("/readyz").status_code) == (200, 200)
    assert "/v1/events" in door.get("/openapi.json").json()["paths"]


def test_where_the_brokers_disk_is_full_the_door_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: Held
) -> None:
    async def refuse(values: Mapping[int, Sequence[bytes]]) -> None:
        raise BrokerAway("Kafka did not acknowledge within 10 s")

    monkeypatch.setattr(held, "publish", refuse)
    (tmp_path / "kafka").mkdir()
    free = 3 * 2**20
    monkeypatch.setattr("services.local.disk.free_bytes", lambda directory: (free, 2**40))
    reason = "Kafka did not acknowledge within 10 s; send the request again, nothing is counted twice"
    with serving(create_app(Settings(api_key=KEY, data_dir=tmp_path), publisher=held)) as client:
        full = client.post("/v1/events", json=event())
        free = 2**30
        away = client.post("/v1/events", json=event())
    assert (full.status_code, full.headers["retry-after"]) == (503, "2")
    assert full.json()["detail"] == f"the disk is full (3 MiB left in {tmp_path}), so Kafka cannot write: {reason}"
    assert (away.status_code, away.json()["detail"]) == (503, reason)
