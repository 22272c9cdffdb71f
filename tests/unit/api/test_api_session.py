"""Who may read: keys, and the board's cookie with its two guarded doors."""

import pytest
from fastapi import Request, Response
from fastapi.testclient import TestClient

from services.api.board.session import Sessions
from tests.unit.api.conftest import KEY, nowhere

LOCAL = "http://127.0.0.1:8080"
LISTED = "/v1/metrics"


def browser(loopback: bool, base_url: str = LOCAL, peer: str = "127.0.0.1") -> TestClient:
    return TestClient(nowhere(loopback), base_url=base_url, client=(peer, 50_000), follow_redirects=False)


def test_the_key_opens_and_nothing_else_does() -> None:
    client = browser(loopback=True)
    assert client.get(LISTED).status_code == 401
    assert client.get(LISTED, headers={"X-API-Key": "guess"}).status_code == 403
    assert client.get(LISTED, headers={"X-API-Key": KEY}).status_code == 200
    assert client.get(LISTED, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_on_loopback_the_page_signs_its_user_in(host: str) -> None:
    client = browser(loopback=True, base_url=f"http://{host}")
    page = client.get("/")
    assert page.status_code == 200
    cookie = page.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert KEY not in cookie
    assert KEY not in page.text
    assert client.get(LISTED).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_session_reads_only(method: str) -> None:
    sessions = Sessions(KEY, loopback=True, now=lambda: 1_000)
    response = Response()
    sessions.grant(_request("GET"), response)
    cookie = response.headers["set-cookie"].partition(";")[0]
    assert sessions.permits(_request("GET", cookie))
    assert sessions.permits(_request("HEAD", cookie))
    assert not sessions.permits(_request(method, cookie))


def _request(method: str, cookie: str = "") -> Request:
    headers = [(b"host", b"localhost"), (b"cookie", cookie.encode())]
    return Request({"type": "http", "method": method, "path": "/", "headers": headers, "client": ("127.0.0.1", 1)})


def test_a_foreign_name_for_loopback_gets_no_session_and_cannot_use_one() -> None:
    client = browser(loopback=True)
    client.get("/")
    stolen = dict(client.cookies)
    rebound = browser(loopback=True, base_url="http://evil.example:8080")
    page = rebound.get("/")
    assert page.status_code == 401
    assert "set-cookie" not in page.headers
    header = "; ".join(f"{name}={value}" for name, value in stolen.items())
    assert rebound.get(LISTED, headers={"Cookie": header}).status_code == 401


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_what_a_proxy_brings_gets_no_session(header: str) -> None:
    page = browser(loopback=True).get("/", headers={header: "for=203.0.113.9"})
    assert page.status_code == 401
    assert "set-cookie" not in page.headers


def test_a_peer_from_elsewhere_gets_no_session() -> None:
    assert browser(loopback=True, peer="203.0.113.9").get("/").status_code == 401


def test_beyond_loopback_one_signs_in_with_the_key() -> None:
    client = browser(loopback=False, base_url="http://board.example")
    asked = client.get("/cases/a%2Fb")
    assert asked.status_code == 401
    assert 'value="/cases/a/b"' in asked.text
    assert "set-cookie" not in asked.headers
    wrong = client.post("/login", data={"key": "guess", "next": "/"})
    assert wrong.status_code == 403
    assert "set-cookie" not in wrong.headers
    right = client.post("/login", data={"key": KEY, "next": "/cases/a"})
    assert (right.status_code, right.headers["location"]) == (303, "/cases/a")
    assert client.get("/").status_code == 200
    assert client.get(LISTED).status_code == 200
    client.post("/logout")
    assert client.get(LISTED).status_code == 401


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nb"])
def test_signing_in_never_leads_to_another_site(target: str) -> None:
    answer = browser(loopback=False).post("/login", data={"key": KEY, "next": target})
    assert answer.headers["location"] == "/"


def test_a_forged_or_outdated_cookie_is_worth_nothing() -> None:
    client = browser(loopback=True)
    client.get("/")
    [(name, value)] = client.cookies.items()
    expires, _, signature = value.partition(".")
    later = f"{int(expires) + 1}.{signature}"
    for forged in (later, f"{expires}.", f"1.{signature}", ".", "x", "9" * 5000):
        fresh = browser(loopback=True)
        assert fresh.get(LISTED, headers={"Cookie": f"{name}={forged}"}).status_code == 401


def test_a_session_ends_though_its_signature_is_right() -> None:
    now_ms = 1_000_000
    sessions = Sessions(KEY, loopback=True, now=lambda: now_ms)
    response = Response()
    sessions.grant(_request("GET"), response)
    granted = response.headers["set-cookie"]
    request = _request("GET", granted.partition(";")[0])
    (age_s,) = (int(part.partition("=")[2]) for part in granted.split("; ") if part.startswith("Max-Age="))
    now_ms += age_s * 1000 - 1
    assert sessions.permits(request)
    now_ms += 1
    assert not sessions.permits(request)


def test_pages_forbid_inline_scripts_and_escape_what_they_show() -> None:
    client = browser(loopback=True)
    page = client.get("/cases/%3C%2Fscript%3E%3Cscript%3Ealert(1)")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<script>alert" not in page.text
    assert "</script><script>" not in page.text


@pytest.mark.parametrize(
    ("header", "cookie", "lang"),
    [("en-GB,en;q=0.9", "", "en"), ("zh-TW,en", "", "zh-CN"), ("fr,zh;q=0.5,en", "", "zh-CN"), ("zh", "en", "en")],
)
def test_the_page_speaks_the_chosen_language(header: str, cookie: str, lang: str) -> None:
    headers = {"Accept-Language": header} | ({"Cookie": f"contactpulse_lang={cookie}"} if cookie else {})
    assert f'<html lang="{lang}">' in browser(loopback=True).get("/", headers=headers).text
