"""Whatever is sent: the right 4xx, nothing broken, and no secret in the log."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import jwt
import pytest

from app.api.head_limit import MAX_HEAD_BYTES
from tests.support.api_server import ANSWER_SECONDS, SECRET, token
from tests.support.site import Site, assert_problem, open_site, refused_parameters
from tests.support.worlds import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

    from tests.support.runner import Run

ANA, BOB, CLUB, TAG = 1, 2, 3, 1
"""A student, one whose account is not active, an organizer, a tag."""

PASSWORD = "a-password-nobody-should-see"
HIDE = f"/api/me/personalization/hidden-tags/{TAG}"

ROUTES = (
    ("GET", "/api/recommendations"),
    ("GET", "/api/events"),
    ("GET", "/api/me/personalization"),
    ("POST", HIDE),
    ("DELETE", HIDE),
    ("POST", f"/api/me/personalization/blocked-organizers/{CLUB}"),
    ("DELETE", f"/api/me/personalization/blocked-organizers/{CLUB}"),
    ("POST", "/api/analytics/interactions"),
)

INJECTIONS = (
    "'",
    "''; --",
    "' OR '1'='1",
    "1; DROP TABLE users; --",
    "1 UNION SELECT password_hash FROM users",
    "$1",
    "$$; SELECT pg_sleep(10); $$",
    "\\'; SELECT 1; --",
    "{rock,jazz}",
    "%s %(name)s {0} {name}",
    '"; DROP SCHEMA recommender CASCADE; --',
    "NULL",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "\u202eabc\u0301\ufeff",
    "\U0001f600" * 20,
)
TEXT_PARAMETERS = ("search", "category", "city", "location", "tags", "tags_csv")
OTHER_PARAMETERS = ("start_date", "end_date", "include_past", "sort", "page", "page_size")


@pytest.fixture(scope="module")
def site(database_url: str, run: Run) -> Iterator[Site]:
    """A small world behind a server that reaches its database with a password in the address."""
    with open_site(with_password(database_url), run) as site:
        world = World()
        world.student(interests=["rock"])
        world.student(is_active=False)
        world.organizer()
        world.event(CLUB, tags=["rock"], title="Rock")
        world.recommend(ANA, 1)
        site.write(world)
        yield site


@pytest.fixture(autouse=True)
def nothing_breaks(site: Site) -> Iterator[None]:
    """After each test the server answers as before, and the data is as it was."""
    before = site.server.process.pid
    yield
    assert site.server.process.poll() is None, site.server.log()[-3000:]
    assert site.server.process.pid == before
    assert site.recommended(ANA) == site.listed() == [1]
    assert site.value("SELECT count(*) FROM users") == 3
    assert site.value("SELECT count(*) FROM user_hidden_tags") == 0


def with_password(database_url: str) -> str:
    """Give the address with a password in it, which a server that asks for none ignores."""
    parts = urlsplit(database_url)
    if parts.password is not None:
        return database_url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{PASSWORD}@{host}").geturl() if user else database_url


def send(site: Site, method: str, path: str, **headers: str) -> httpx.Response:
    return site.server.client.request(method, path, headers=headers)


def assert_refused_token(answer: httpx.Response) -> None:
    problem = assert_problem(answer, 401)
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="invalid_token", error_description="')
    assert problem["detail"]


# Tokens


def part(claims: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


def forged(header: Mapping[str, object], payload: object, signature: bytes | None = None) -> str:
    """Put a token together by hand; without a signature it gets the right one for HS256."""
    signed = f"{part(header)}.{part(payload)}"
    if signature is None:
        signature = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def claims(**others: object) -> dict[str, object]:
    return {"sub": str(ANA), "exp": int(time.time()) + 3600, **others}


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in claims().items() if key != name}


def signed(others: Mapping[str, object]) -> str:
    return jwt.encode(claims(**others), SECRET, algorithm="HS256")


HS256 = {"alg": "HS256", "typ": "JWT"}

BAD_TOKENS = {
    "unsigned": jwt.encode(claims(), "", algorithm="none"),
    "unsigned with a signature": forged({"alg": "none"}, claims()),
    "unsigned in other letters": forged({"alg": "nOnE"}, claims(), b""),
    "without an algorithm": forged({"typ": "JWT"}, claims()),
    "the algorithm is a number": forged({"alg": 256}, claims()),
    "the algorithm is an array": forged({"alg": ["HS256"]}, claims()),
    "another key": token(ANA, secret="another-secret-that-is-as-long-as-the-right-one"),
    "another HMAC": jwt.encode(claims(), SECRET * 2, algorithm="HS512"),
    "said to be RS256": forged({"alg": "RS256"}, claims()),
    "no signature": forged(HS256, claims(), b""),
    "a short signature": forged(HS256, claims(), b"x"),
    "changed afterwards": token(4711).replace(part(claims())[:4], "AAAA", 1) + "x",
    "expired": token(ANA, expires_in=-60),
    "expired long ago": token(ANA, exp=0),
    "expired before time began": token(ANA, exp=-(10**30)),
    "never expires": forged(HS256, without("exp")),
    "expires null": token(ANA, exp=None),
    "expires soon": forged(HS256, claims(exp="soon")),
    "expires in a list": forged(HS256, claims(exp=[1])),
    "expires at NaN": forged(HS256, claims(exp=float("nan"))),
    "not yet": token(ANA, nbf=int(time.time()) + 10**6),
    "for another service": token(ANA, aud="another service"),
    "of nobody": forged(HS256, without("sub")),
    "sub null": forged(HS256, claims(sub=None)),
    "sub empty": forged(HS256, claims(sub="")),
    "sub 0": forged(HS256, claims(sub="0")),
    "sub negative": forged(HS256, claims(sub="-1")),
    "sub beyond integer": forged(HS256, claims(sub="2147483648")),
    "sub beyond bigint": forged(HS256, claims(sub="9" * 40)),
    "sub of 5000 digits": forged(HS256, claims(sub="9" * 5000)),
    "sub a word": forged(HS256, claims(sub="ana")),
    "sub an address": forged(HS256, claims(sub="1@example.org")),
    "sub SQL": forged(HS256, claims(sub="1 OR 1=1")),
    "sub with blanks": forged(HS256, claims(sub=" 1 ")),
    "sub with NUL": forged(HS256, claims(sub="1\0")),
    "sub in other digits": forged(HS256, claims(sub="١")),
    "sub 1.0": forged(HS256, claims(sub=1.0)),
    "sub true": forged(HS256, claims(sub=True)),
    "sub a list": forged(HS256, claims(sub=[1])),
    "sub an object": forged(HS256, claims(sub={"id": 1})),
    "sub a large number": forged(HS256, claims(sub=10**30)),
    "claims are a list": forged(HS256, [claims()]),
    "claims are null": forged(HS256, None),
    "claims are deep": f"{part(HS256)}.{part(0)[:-1]}{'W1' * 4000}.x",
    "not base64": "%%%.%%%.%%%",
    "two parts": token(ANA).rpartition(".")[0],
    "four parts": token(ANA) + ".x",
    "empty parts": "..",
    "a word": "token",
    "SQL": "'; DROP TABLE users; --",
    "10 kB": "x" * 10_000,
    "10 kB of dots": "." * 10_000,
}


@pytest.mark.parametrize("bad", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_token_that_is_not_ours_is_refused_everywhere(site: Site, bad: str) -> None:
    for method, path in ROUTES:
        assert_refused_token(send(site, method, path, Authorization=f"Bearer {bad}"))


@pytest.mark.parametrize("value", ["Bearer", "bearer a b", "Bearer a, Bearer b"])
def test_a_header_that_holds_no_token_is_refused(site: Site, value: str) -> None:
    assert_problem(send(site, "GET", "/api/recommendations", Authorization=value), 401)


@pytest.mark.parametrize("value", ["Basic YTpi", "Negotiate x", token(ANA)])
def test_another_way_to_log_in_lets_nobody_in(site: Site, value: str) -> None:
    answer = send(site, "GET", "/api/recommendations", Authorization=value)
    assert_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "value", [b"Bearer \xff\xfe", b"Bearer \xc3\xa9.\xc3\xa9.\xc3\xa9", b"\xff"]
)
def test_bytes_that_are_no_text_are_no_token(site: Site, value: bytes) -> None:
    answer = site.server.client.get("/api/recommendations", headers={b"Authorization": value})
    assert_problem(answer, 401)


def test_two_tokens_are_not_one(site: Site) -> None:
    headers = [
        ("Authorization", f"Bearer {token(CLUB)}"),
        ("Authorization", f"Bearer {token(ANA)}"),
    ]
    assert_refused_token(site.server.client.get("/api/recommendations", headers=headers))


GOOD_CLAIMS: dict[str, dict[str, object]] = {
    "usual": {},
    "sub is a number": {"sub": ANA},
    "exp is a fraction": {"exp": time.time() + 10**6 + 0.5},
    "exp in a far future": {"exp": 2**53},
    "exp beyond bigint": {"exp": 10**30},
    "more claims": {"role": "admin", "iss": "somewhere", "name": "Ana"},
}


@pytest.mark.parametrize("others", GOOD_CLAIMS.values(), ids=GOOD_CLAIMS)
def test_a_token_of_ours_is_taken(site: Site, others: dict[str, object]) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        for good in (signed(others), forged({"alg": "HS256"}, claims(**others))):
            answer = send(site, "GET", "/api/recommendations", Authorization=f"{scheme} {good}")
            assert answer.status_code == 200, answer.text


def test_clocks_may_differ_a_little(site: Site) -> None:
    good = token(ANA, expires_in=-10)
    answer = send(site, "GET", "/api/recommendations", Authorization=f"Bearer {good}")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_token_outlives_neither_the_account_nor_its_standing(
    site: Site, method: str, path: str
) -> None:
    for user, status in ((4711, 401), (2147483647, 401), (BOB, 403)):
        answer = send(site, method, path, Authorization=f"Bearer {token(user)}")
        assert_problem(answer, status)


# Parameters


@pytest.mark.parametrize("payload", INJECTIONS)
def test_sql_in_a_text_is_text(site: Site, payload: str) -> None:
    for name in TEXT_PARAMETERS:
        for user in (None, ANA):
            page = site.page(user, **{name: payload})
            assert (page["items"], page["total"]) == ([], 0), name


@pytest.mark.parametrize("payload", INJECTIONS)
def test_sql_elsewhere_is_refused_by_name(site: Site, payload: str) -> None:
    for name in OTHER_PARAMETERS:
        assert refused_parameters(site.ask("/api/events", ANA, **{name: payload})) == {name}


@pytest.mark.parametrize("payload", INJECTIONS)
def test_sql_where_nobody_looks_does_nothing(site: Site, payload: str) -> None:
    assert site.listed(None, **{"unknown": payload, payload: payload}) == [1]
    assert site.ask("/api/recommendations", ANA, languages=ascii(payload)).status_code == 200
    answer = send(site, "GET", f"/api/events/{quote(payload, safe='')}")
    assert_problem(answer, 404)
    for method in ("POST", "DELETE"):
        for place in ("hidden-tags", "blocked-organizers"):
            path = f"/api/me/personalization/{place}/{quote(payload, safe='')}"
            assert_problem(site.ask(path, ANA, method=method), 404)


@pytest.mark.parametrize("name", TEXT_PARAMETERS + OTHER_PARAMETERS)
@pytest.mark.parametrize("value", ["%00", "rock%00", "%00rock", "%EF%BF%BD%00"])
def test_nul_is_refused_by_name(site: Site, name: str, value: str) -> None:
    assert refused_parameters(site.ask(f"/api/events?{name}={value}")) == {name}


@pytest.mark.parametrize("name", TEXT_PARAMETERS + OTHER_PARAMETERS)
def test_10_kb_are_refused_by_name_and_not_sent_back(site: Site, name: str) -> None:
    answer = site.ask("/api/events", ANA, **{name: "9" * 10_000})
    assert refused_parameters(answer) == {name}
    assert len(answer.content) < 2_000


@pytest.mark.parametrize("name", [n for n in TEXT_PARAMETERS + OTHER_PARAMETERS if n != "tags"])
def test_a_parameter_given_twice_is_refused_by_name(site: Site, name: str) -> None:
    good = {"include_past": "true", "sort": "time", "page": "1", "page_size": "1"}
    value = good.get(name, "2026-03-01" if name.endswith("_date") else "rock")
    for path in (f"/api/events?{name}={value}&{name}={value}", f"/api/events?{name}=1&{name}=2"):
        assert refused_parameters(site.ask(path)) == {name}


@pytest.mark.parametrize("name", TEXT_PARAMETERS)
@pytest.mark.parametrize(
    "value", ["%ff", "%c3%28", "%ed%a0%80", "%f4%90%80%80", "%u0041", "%", "%zz", "+", "%0a%0d"]
)
def test_bytes_that_are_no_text_break_nothing(site: Site, name: str, value: str) -> None:
    assert raw_status(site, f"GET /api/events?{name}={value} HTTP/1.1") in {200, 422}


@pytest.mark.parametrize(
    "query", ["?", "?&&&", "?=", "?=1", "?page", "?page&page", "?;", "?page=1;page=2", "?&page=1#x"]
)
def test_queries_of_odd_shape_break_nothing(site: Site, query: str) -> None:
    assert raw_status(site, f"GET /api/events{query} HTTP/1.1") in {200, 422}


def test_ten_thousand_parameters_break_nothing(site: Site) -> None:
    assert raw_status(site, f"GET /api/events?{'a=1&' * 10_000} HTTP/1.1") in {200, 400, 414}
    assert raw_status(site, f"GET /api/events?{'tags=a&' * 5_000} HTTP/1.1") in {400, 414, 422}


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000, "en;q=" + "9" * 10_000, ",".join(["en"] * 5_000), "en;q=nan", "\0".join("ab")],
)
def test_odd_wishes_for_a_language_break_nothing(site: Site, value: str) -> None:
    request = f"GET /api/events HTTP/1.1\r\nAccept-Language: {value}"
    assert raw_status(site, request) in {200, 400}


# Bodies

MAX_BODY_BYTES = 2 * 1_048_576


def chunks(size: int) -> Iterator[bytes]:
    for start in range(0, size, 65_536):
        yield b"x" * min(65_536, size - start)


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10_000_000])
@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("POST", "/nowhere"), ("GET", "/healthz")])
def test_a_body_that_is_too_large_is_not_taken(
    site: Site, method: str, path: str, is_declared: bool, size: int
) -> None:
    content = b"x" * size if is_declared else chunks(size)
    answer = site.server.client.request(
        method, path, content=content, headers={"Authorization": f"Bearer {token(ANA)}"}
    )
    assert str(MAX_BODY_BYTES) in assert_problem(answer, 413)["detail"]


def test_a_body_said_to_be_too_large_is_refused_before_it_is_sent(site: Site) -> None:
    request = f"POST {HIDE} HTTP/1.1\r\nContent-Length: 99999999999"
    assert raw_status(site, request) == 413


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_that_nobody_asked_for_is_ignored_up_to_the_limit(
    site: Site, is_declared: bool
) -> None:
    for size in (0, 1, MAX_BODY_BYTES):
        for _ in range(2):
            content = b"x" * size if is_declared else chunks(size)
            answer = site.server.client.request(
                "DELETE", HIDE, content=content, headers={"Authorization": f"Bearer {token(ANA)}"}
            )
            assert answer.status_code == 204, answer.text


# HTTP itself


def talk(site: Site, request: bytes, patience: float) -> bytes:
    """Send bytes; give what comes back until the server hangs up, or is silent for so long."""
    parts = urlsplit(site.server.url)
    answer = b""
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        connection.settimeout(patience)
        try:
            connection.sendall(request)
            while received := connection.recv(65_536):
                answer += received
        except OSError:
            pass
    return answer


def raw_status(site: Site, head: str) -> int:
    """Send a request's first lines as they are, and give the status of the answer."""
    request = f"{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = talk(site, request.encode(), ANSWER_SECONDS)
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer.split(b" ", 2)[1])


HOST = b"Host: localhost\r\n"
BROKEN_REQUESTS = {
    "nothing": b"",
    "blank lines": b"\r\n\r\n\r\n",
    "garbage": b"\x00\x01\x02\xff\xfe\r\n\r\n",
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
    "no version": b"GET /healthz\r\n\r\n",
    "version 9": b"GET /healthz HTTP/9.9\r\n" + HOST + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an odd method": b"BREW /api/events HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long method": b"A" * 5000 + b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no host": b"GET /api/events HTTP/1.1\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT example.org:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "TRACE": b"TRACE /api/events HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute address": b"GET http://example.org/api/events HTTP/1.1\r\n" + HOST + b"\r\n",
    "a half address": b"GET http:///// HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of bytes": b"GET /api/\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of 10 kB": b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of 1 MB": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a header without a colon": b"GET /api/events HTTP/1.1\r\nnonsense\r\n\r\n",
    "a header with NUL": b"GET /api/events HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    "a header of 1 MB": b"GET /api/events HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "10,000 headers": b"GET /api/events HTTP/1.1\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
    "an unfinished header": b"GET /api/events HTTP/1.1\r\nX: a",
    "a negative length": b"POST /api/events HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "a length in words": b"POST /api/events HTTP/1.1\r\nContent-Length: many\r\n\r\n",
    "two lengths": b"POST /api/events HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length beyond numbers": b"POST /api/events HTTP/1.1\r\nContent-Length: "
    + b"9" * 5000
    + b"\r\n\r\n",
    "a body cut short": b"POST " + HIDE.encode() + b" HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
    "length and chunks": b"POST /api/events HTTP/1.1\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an odd encoding": b"POST /api/events HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "a chunk of odd size": b"POST /api/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk beyond numbers": b"POST /api/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"f" * 100
    + b"\r\nx",
    "chunks cut short": b"POST " + HIDE.encode() + b" HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
    b"\r\n5\r\nab",
    "an upgrade": b"GET /api/events HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", BROKEN_REQUESTS.values(), ids=BROKEN_REQUESTS)
def test_broken_http_is_refused_or_dropped(site: Site, request_bytes: bytes) -> None:
    answer = talk(site, request_bytes, 0.3)
    for line in answer.splitlines():
        assert not line.startswith(b"HTTP/1.1 5"), answer[:500]


def head(size: int, method: str = "GET", path: str = "/healthz", **headers: str) -> bytes:
    """Write a request's line and headers, of exactly this many bytes."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    start = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}X: ".encode()
    return start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def test_a_head_may_have_64_kib(site: Site) -> None:
    assert statuses(talk(site, head(MAX_HEAD_BYTES) + LAST, ANSWER_SECONDS)) == [200, 200]
    answer = talk(site, head(MAX_HEAD_BYTES + 1), ANSWER_SECONDS)
    start, _, body = answer.partition(b"\r\n\r\n")
    lines = start.lower().split(b"\r\n")
    assert lines[0] == b"http/1.1 431 request header fields too large"
    assert b"content-type: application/problem+json" in lines
    assert b"connection: close" in lines
    assert json.loads(body)["status"] == 431
    assert str(MAX_HEAD_BYTES) in json.loads(body)["detail"]


LARGE_HEADS = {
    "a long header": b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 100_000,
    "a long name": b"GET /healthz HTTP/1.1\r\n" + b"a" * 100_000,
    "a long address": b"GET /" + b"a" * 100_000,
    "many headers": b"GET /healthz HTTP/1.1\r\n" + b"X: a\r\n" * 20_000,
    "after chunks": b"POST "
    + HIDE.encode()
    + b" HTTP/1.1\r\n"
    + HOST
    + b"Transfer-Encoding: chunked"
    b"\r\n\r\n1\r\nx\r\n0\r\nX: " + b"a" * 100_000,
}


@pytest.mark.parametrize("request_bytes", LARGE_HEADS.values(), ids=LARGE_HEADS)
def test_more_is_refused_before_it_ends(site: Site, request_bytes: bytes) -> None:
    assert statuses(talk(site, request_bytes, ANSWER_SECONDS)) == [431]


def test_each_request_of_a_connection_is_counted_anew(site: Site) -> None:
    large = 60_000
    body = b"x" * MAX_BODY_BYTES
    asked = head(large) * 3
    asked += head(large, "POST", HIDE, Content_Length=str(MAX_BODY_BYTES)) + body
    asked += head(large, "POST", HIDE, Transfer_Encoding="chunked")
    asked += b"%x\r\n%b\r\n0\r\n\r\n" % (MAX_BODY_BYTES, body)
    asked += head(large)
    answered = [200, 200, 200, 401, 401, 200]
    assert statuses(talk(site, asked + LAST, ANSWER_SECONDS)) == [*answered, 200]
    assert statuses(talk(site, asked + head(100_000), ANSWER_SECONDS)) == [*answered, 431]
    assert statuses(talk(site, head(100) + head(100_000), ANSWER_SECONDS)) == [200, 431]


def test_a_client_that_is_still_sending_is_told(site: Site) -> None:
    for _ in range(20):
        answer = site.server.client.get("/healthz", headers={"X": "a" * 2_000_000})
        assert_problem(answer, 431)
        assert answer.headers["connection"] == "close"


def test_headers_that_are_refused_are_not_kept(site: Site) -> None:
    before = resident_bytes(site)
    with ExitStack() as connections:
        parts = urlsplit(site.server.url)
        for _ in range(100):
            connection = connections.enter_context(
                socket.create_connection((parts.hostname or "", parts.port or 0))
            )
            with suppress(OSError):
                connection.sendall(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 2_000_000)
        assert resident_bytes(site) - before < 50_000_000


def resident_bytes(site: Site) -> float:
    answer = site.server.client.get("/metrics").text
    (value,) = re.findall(r"^process_resident_memory_bytes (\S+)$", answer, re.M)
    return float(value)


# The log


def test_the_log_holds_no_secret(site: Site) -> None:
    for good in (token(ANA), token(BOB), token(4711)):
        for method, path in ROUTES:
            send(site, method, path, Authorization=f"Bearer {good}")
    undo = "ALTER FUNCTION recommender.away RENAME TO get_personalization"
    site.execute("ALTER FUNCTION recommender.get_personalization RENAME TO away")
    try:
        answer = site.ask("/api/me/personalization", ANA)
    finally:
        site.execute(undo)
    assert_problem(answer, 503)
    log = site.server.log()
    assert "/api/recommendations" in log
    assert "42883" in log, "what the database said"
    assert SECRET not in log
    assert (urlsplit(site.database_url).password or PASSWORD) not in log
    tokens = [*BAD_TOKENS.values(), token(ANA)]
    shown = [text for text in tokens if len(text) > 20 and text in log]
    assert shown == []
    assert "eyJ" not in log, "the start of any token"
