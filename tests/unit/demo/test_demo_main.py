import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from schemas.times import parse
from services.demo.main import Traffic
from services.send import Door

NOW = parse("2026-11-18T10:00:00+08:00")
HOUR_MS = 3_600_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.away.pop(0) if self.server.away else 202
        if status == 202:
            self.server.batches.append([json.loads(line) for line in body.splitlines()])
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.batches, server.away, server.doors = [], [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    for door in server.doors:
        door.close()
    server.shutdown()
    thread.join()
    server.server_close()


class Shift:
    """One run of the process, with a clock that the test sets."""

    def __init__(self, server, tmp_path, now=NOW, seed=1, history_h=0.25):
        self.now = now
        door = Door(f"http://127.0.0.1:{server.server_port}", "k")
        server.doors.append(door)
        self.traffic = Traffic(door, tmp_path / "data" / "demo.json", seed, 30.0, history_h, lambda: self.now)

    def catch_up(self):
        while not self.traffic.send_next():
            pass


def sent(server):
    return [event for batch in server.batches for event in batch]


def test_the_past_is_sent_first_and_then_what_happens(server, tmp_path):
    shift = Shift(server, tmp_path)
    shift.catch_up()
    times = [parse(event["occurred_at"]) for event in sent(server)]
    assert NOW - HOUR_MS // 4 <= min(times) < NOW - HOUR_MS // 4 + 5_000
    assert NOW - 5_000 < max(times) <= NOW
    assert max(map(len, server.batches)) <= 5_000
    before = len(times)
    shift.now += 2_000
    shift.catch_up()
    assert 10 < len(sent(server)) - before < 250


def test_a_restart_goes_on_with_the_same_contacts(server, tmp_path):
    straight = Shift(server, tmp_path / "straight")
    straight.catch_up()
    straight.now += 60_000
    straight.catch_up()
    expected = sent(server)
    server.batches.clear()
    Shift(server, tmp_path).catch_up()
    Shift(server, tmp_path, now=NOW + 60_000).catch_up()
    assert sent(server) == expected


@pytest.mark.parametrize(("later_ms", "seed"), [(10 * HOUR_MS, 1), (60_000, 2), (-60_000, 1)])
def test_what_cannot_go_on_begins_anew_with_ids_of_its_own(server, tmp_path, later_ms, seed):
    Shift(server, tmp_path).catch_up()
    old = {event["event_id"] for event in sent(server)}
    server.batches.clear()
    again = Shift(server, tmp_path, now=NOW + later_ms, seed=seed)
    again.now += 60_000
    again.catch_up()
    assert sent(server)
    assert not old & {event["event_id"] for event in sent(server)}


def test_an_absent_server_is_waited_for_and_loses_nothing(server, tmp_path):
    Shift(server, tmp_path / "one").catch_up()
    expected = sent(server)
    server.batches.clear()
    server.away = [503, 429, 503]
    Shift(server, tmp_path / "two").catch_up()
    assert sent(server) == expected
