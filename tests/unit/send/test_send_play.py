import gzip
import io
import json
import os
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from schemas.errors import InputError, WorkFailed
from schemas.times import parse, text
from services.send import Door
from services.send.play import play
from services.send.rebase import Rebase, mark_of, shift_of
from services.send.source import Extent, measure


class Product(ThreadingHTTPServer):
    """A door that takes events and remembers them; `script` holds (status, headers, body) to answer first."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.script, self.connections = [], [], set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    @property
    def events(self):
        return [json.loads(line) for _, _, body in self.requests for line in body.splitlines()]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.connections.add(self.client_address)
        status, headers, answer = self.server.script.pop(0) if self.server.script else (202, {}, None)
        if status == 202:
            self.server.requests.append((time.monotonic(), dict(self.headers), body))
            answer = answer or {"accepted": len(body.splitlines()), "rejected": []}
        content = json.dumps(answer or {"title": "no"}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def product():
    server = Product()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def event(number, at="2026-01-31T09:00:00.000Z", **more):
    return {"event_id": f"e-{number}", "type": "contact.queued", "occurred_at": at, "case_id": "C-1", **more}


def written(path, *events):
    path.write_text("".join(json.dumps(one) + "\n" for one in events))
    return path


def quiet():
    return Console(file=io.StringIO(), width=200)


def test_a_file_is_sent_whole_over_one_connection_in_batches_with_the_key(product, tmp_path):
    events = [event(number) for number in range(12_000)]
    sent = play(written(tmp_path / "e.ndjson", *events), product.url, "secret", console=quiet())
    assert product.events == events
    assert [len(body.splitlines()) for _, _, body in product.requests] == [5_000, 5_000, 2_000]
    assert len(product.connections) == 1
    assert product.requests[0][1]["Authorization"] == "Bearer secret"
    assert (sent.events, sent.accepted, sent.rejected, sent.exit_code) == (12_000, 12_000, 0, 0)


def test_big_events_make_requests_of_less_than_four_mebibytes(product, tmp_path):
    events = [event(number, note="x" * 1_000_000) for number in range(9)]
    play(written(tmp_path / "e.ndjson", *events), product.url, "k", console=quiet())
    assert product.events == events
    assert max(len(body) for _, _, body in product.requests) <= 4 * 1024 * 1024


def test_gzip_is_read_and_empty_lines_are_passed_over(product, tmp_path):
    path = tmp_path / "e.gz"
    path.write_bytes(gzip.compress(f"\n{json.dumps(event(1))}\n\n".encode()))
    assert play(path, product.url, "k", console=quiet()).events == 1


def test_busy_and_away_answers_are_waited_out_and_nothing_is_lost(product, tmp_path):
    product.script = [(503, {"Retry-After": "0"}, None), (429, {"Retry-After": "0.3"}, None), (500, {}, None)]
    began = time.monotonic()
    console = quiet()
    sent = play(written(tmp_path / "e.ndjson", event(1), event(2)), product.url, "k", console=console)
    assert (sent.accepted, product.events) == (2, [event(1), event(2)])
    assert time.monotonic() - began >= 0.3
    assert "answers 503: no; trying again" in console.file.getvalue()


def test_each_trouble_is_told_once_and_when_it_is_over(product):
    away, busy = (503, {"Retry-After": "0"}, None), (429, {"Retry-After": "0"}, None)
    product.script = [away, away, busy, away]
    heard = []
    door = Door(product.url, "k", on_trouble=heard.append)
    try:
        for number in range(2):
            assert door.post(json.dumps(event(number)).encode() + b"\n", 1).accepted == 1
    finally:
        door.close()
    assert [text.partition(" answers ")[2][:3] for text in heard] == ["503", "429", "503", ""]


def test_a_file_is_measured_from_its_earliest_to_its_latest_event(tmp_path):
    at = ["2026-03-02T08:00:02Z", "2026-03-02T08:00:00Z", None, "2026-03-02T10:00:03.5+02:00", "2026-03-02T08:00:01Z"]
    path = written(tmp_path / "e.ndjson", *({"occurred_at": one} for one in at))
    first = parse("2026-03-02T08:00:00Z")
    assert measure(path) == Extent(5, first, first + 3_500)
    assert measure(written(tmp_path / "none.ndjson", {"occurred_at": "soon"})) == Extent(1, None, None)


def test_a_product_that_stays_away_is_given_up_with_what_was_sent(tmp_path):
    path = written(tmp_path / "e.ndjson", event(1))
    with pytest.raises(WorkFailed, match=r"does not answer: Connection refused; gave up .*\(0 events"):
        play(path, "http://127.0.0.1:9", "k", patience_s=0.1, console=quiet())


def test_a_refused_key_ends_at_once(product, tmp_path):
    product.script = [(401, {}, {"title": "Unauthorized", "detail": "unknown key"})]
    with pytest.raises(WorkFailed, match=r"refuses the API key \(401\): unknown key"):
        play(written(tmp_path / "e.ndjson", event(1)), product.url, "k", console=quiet())


def test_rejected_events_are_named_by_file_line_and_field(product, tmp_path):
    refusal = {"index": 1, "event_id": "e-2", "field": "data.csat", "reason": "Expected `int` <= 5"}
    product.script = [(202, {}, {"accepted": 1, "rejected": [refusal]})]
    console = quiet()
    path = written(tmp_path / "e.ndjson", event(1), event(2))
    path.write_text("\n" + path.read_text())
    sent = play(path, product.url, "k", console=console)
    assert (sent.accepted, sent.rejected, sent.exit_code) == (1, 1, 2)
    assert f"{path}:3: data.csat: Expected `int` <= 5" in console.file.getvalue()


def test_a_request_refused_whole_counts_every_event_as_rejected(product, tmp_path):
    product.script = [(422, {}, {"title": "all rejected", "detail": "nothing of it is valid"})]
    sent = play(written(tmp_path / "e.ndjson", event(1), event(2)), product.url, "k", console=quiet())
    assert (sent.accepted, sent.rejected, sent.exit_code) == (0, 2, 2)


@pytest.mark.parametrize(("bad", "why"), [("{", "not valid JSON"), ("[1]", "not a JSON object")])
def test_of_a_file_with_a_bad_line_nothing_is_sent(product, tmp_path, bad, why):
    path = written(tmp_path / "e.ndjson", event(1))
    path.write_text(path.read_text() + bad + "\n")
    with pytest.raises(InputError, match=re.escape(f"{path}:2: {why}")) as refused:
        play(path, product.url, "k", console=quiet())
    assert refused.value.exit_code == 2
    assert product.requests == []


def test_a_missing_file_and_a_bad_url_are_wrong_input(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        play(tmp_path / "none", "http://127.0.0.1:9", "k", console=quiet())
    for url in ("127.0.0.1:8080", "ftp://host", "http://host:port"):
        with pytest.raises(InputError, match="is not a URL such as"):
            Door(url, "k")


def test_events_are_paced_by_their_own_time_and_late_ones_go_when_they_came(product, tmp_path):
    at = ("09:00:00.000", "09:00:02.000", "09:00:01.000", "09:00:04.000")
    events = [event(number, f"2026-01-31T{time_}Z") for number, time_ in enumerate(at)]
    began = time.monotonic()
    play(written(tmp_path / "e.ndjson", *events), product.url, "k", speed=10, console=quiet())
    assert [len(body.splitlines()) for _, _, body in product.requests] == [1, 2, 1]
    _, second, third = [moment - began for moment, _, _ in product.requests]
    assert second >= 0.2
    assert third >= 0.4


def test_rebased_as_fast_as_it_goes_the_last_event_is_now_and_due_times_move_along(product, tmp_path):
    promise = event(2, "2001-01-01T00:01:00Z", data={"callback_id": "c", "due_at": "2001-01-01T01:00:00+01:00"})
    path = written(tmp_path / "e.ndjson", event(1, "2001-01-01T00:00:00Z"), promise)
    before = round(time.time() * 1000)
    play(path, product.url, "k", rebase=True, console=quiet())
    play(path, product.url, "k", rebase=True, console=quiet())
    opened, promised, again, _ = product.events
    last_ms = parse(promised["occurred_at"])
    assert before <= last_ms <= round(time.time() * 1000)
    assert last_ms - parse(opened["occurred_at"]) == 60_000
    assert last_ms - parse(promised["data"]["due_at"]) == 60_000
    assert opened["case_id"] == promised["case_id"] != again["case_id"]
    assert opened["case_id"].startswith("C-1~")
    assert opened["event_id"].endswith("~e-1")


@pytest.mark.parametrize("speed", [0, 0.5, 1, 10])
def test_no_rebased_event_is_sent_before_it_has_happened(speed):
    first, last, now = 1_000_000, 1_600_000, 50_000_000
    shift = shift_of(first, last, speed, now)
    for at in (first, 1_234_567, last):
        sent = now + ((at - first) / speed if speed else 0)
        assert at + shift <= sent
    ends = {0: last + shift, 0.5: first + shift, 1: first + shift, 10: last + shift - 60_000}
    assert ends[speed] == now


def test_rebasing_keeps_the_order_of_ids_within_their_length_and_leaves_what_it_cannot_read():
    change = Rebase(1_000, mark_of(1_790_000_000_000))
    ids = ["a", "a-1", "a-2", "x" * 128, "ä"]
    moved = [json.loads(change(json.dumps(event(0) | {"event_id": one}).encode())) for one in ids]
    assert [one["event_id"] for one in moved] == sorted(one["event_id"] for one in moved)
    assert max(len(one["event_id"]) for one in moved) <= 128
    assert moved[0]["occurred_at"] == text(parse(event(0)["occurred_at"]) + 1_000)
    odd = json.loads(change(b'{"occurred_at": "yesterday", "event_id": 7, "data": null}'))
    assert odd == {"occurred_at": "yesterday", "event_id": 7, "data": None}


def test_a_stream_is_sent_up_to_its_first_bad_line(product, monkeypatch):
    read_end, write_end = os.pipe()
    os.write(write_end, json.dumps(event(1)).encode() + b"\nnonsense\n")
    os.close(write_end)
    with os.fdopen(read_end) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(InputError, match=r"stdin:2: not valid JSON: .*\(1 events of stdin had been sent\)"):
            play(Path("-"), product.url, "k", console=quiet())
    assert product.events == [event(1)]


def test_a_stream_cannot_be_rebased_where_its_end_matters():
    with pytest.raises(InputError, match="--rebase needs a file"):
        play(Path("-"), "http://127.0.0.1:9", "k", rebase=True, console=quiet())
