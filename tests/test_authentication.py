"""Whose token it is, and why others are refused; every refusal is a 401 with a challenge."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import warnings
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.authentication import LEEWAY_SECONDS, MAX_TOKEN_BYTES, Authenticator
from app.api.problems import Problem
from app.console import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a-secret-of-the-tests-that-is-long-enough-for-HS256"
LATER = int(time.time()) + 3600
HEADER = {"alg": "HS256", "typ": "JWT"}


@pytest.fixture(scope="module")
def authenticator() -> Iterator[Authenticator]:
    with warnings.catch_warnings():
        yield Authenticator(SECRET)


def encoded(part: object) -> bytes:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def signed(payload: object, header: object = HEADER, secret: str = SECRET) -> bytes:
    """Sign anything, also what PyJWT refuses to."""
    message = encoded(header) + b"." + encoded(payload)
    return message + b"." + encoded(hmac.digest(secret.encode(), message, hashlib.sha256))


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "42", "exp": LATER, **more}


def bearer(token: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"authorization", b"Bearer " + token)]


def assert_refused(
    authenticator: Authenticator, headers: list[tuple[bytes, bytes]], description: str = ""
) -> None:
    with pytest.raises(Problem) as refusal:
        authenticator.user_id(headers)
    problem = refusal.value
    assert problem.status == 401
    assert description in problem.detail
    challenge = problem.headers["WWW-Authenticate"]
    assert challenge == f'Bearer error="invalid_token", error_description="{problem.detail}"'
    assert challenge.isascii()
    assert '"' not in problem.detail
    assert "\\" not in problem.detail


def test_no_header_is_nobody(authenticator: Authenticator) -> None:
    assert authenticator.user_id([(b"host", b"x")]) is None


@pytest.mark.parametrize("subject", ["1", "42", "2147483647", 1, 42, 2_147_483_647])
def test_the_subject_is_the_user(authenticator: Authenticator, subject: object) -> None:
    assert authenticator.user_id(bearer(signed(claims(sub=subject)))) == int(str(subject))


def test_the_scheme_has_no_case(authenticator: Authenticator) -> None:
    token = signed(claims())
    for scheme in (b"bearer ", b"BEARER ", b"Bearer   "):
        assert authenticator.user_id([(b"authorization", scheme + token)]) == 42


@pytest.mark.parametrize(
    "subject",
    [
        *(True, False, None, 1.5, 1.0, 0, -1, 2_147_483_648, 10**12, 10**400, [], {}, ["1"]),
        *("", " ", "1 ", " 1", "01", "0", "-1", "+1", "1.0", "1e3", "1_000", "2147483648"),
        *("١", "1\0", "1\n", "abc", "1" * 5000),
    ],
    ids=lambda subject: repr(subject)[:20],
)
def test_what_is_no_user_id_is_refused(authenticator: Authenticator, subject: object) -> None:
    assert_refused(authenticator, bearer(signed(claims(sub=subject))))


@pytest.mark.parametrize(
    "expiry",
    [b"Infinity", b"-Infinity", b"NaN", b"true", b"null", b'"9999999999"', b"[]", b"{}", b"0"],
)
def test_what_is_no_moment_to_come_is_refused(authenticator: Authenticator, expiry: bytes) -> None:
    assert_refused(authenticator, bearer(signed(b'{"sub": "42", "exp": %b}' % expiry)))


@pytest.mark.parametrize("expiry", [b"1e300", b"9" * 400, b"99999999999.5"])
def test_a_far_moment_is_one(authenticator: Authenticator, expiry: bytes) -> None:
    assert authenticator.user_id(bearer(signed(b'{"sub": "42", "exp": %b}' % expiry))) == 42


@pytest.mark.parametrize(
    ("token", "description"),
    [
        (signed(claims(exp=LATER - 7200)), "expired"),
        (signed({"exp": LATER}), "sub"),
        (signed({"sub": "42"}), "exp"),
        (signed(claims(), secret="another-key-that-is-long-enough-for-HS256"), "another key"),
        (signed(claims(aud="somebody")), "somebody else"),
        (signed(claims(nbf=LATER)), "not valid yet"),
        (signed(claims(iat=LATER)), "not valid yet"),
        (signed(claims(iat=float("inf"))), ""),
        (signed(claims(nbf=float("inf"))), ""),
        (signed(claims(nbf=[])), ""),
        (signed(claims(jti=5)), ""),
        (signed(claims(), {"alg": "none"}), "HS256"),
        (encoded({"alg": "none"}) + b"." + encoded(claims()) + b".", "HS256"),
        (signed(claims(), {"alg": "HS512"}), "HS256"),
        (signed(claims(), {"alg": "RS256"}), "HS256"),
        (signed(claims(), {"alg": ["HS256"]}), ""),
        (signed(claims(), {"alg": None}), ""),
        (signed(claims(), {}), ""),
        (signed(claims(), {**HEADER, "kid": 7}), ""),
        (signed(claims(), {**HEADER, "crit": ["b64"], "b64": False}), ""),
        (signed(claims(), b"[]"), ""),
        (signed(b"[]"), ""),
        (signed(b"not json"), ""),
        (signed(b"\xff\xfe"), ""),
        (signed(b"[" * 1500 + b"]" * 1500), ""),
        (signed(b'{"a":' * 500 + b"1" + b"}" * 500), ""),
        (signed(claims(more="x" * MAX_TOKEN_BYTES)), "too long"),
        (b"x" * 1_000_000, "too long"),
        (b".", ""),
        (b"..", ""),
        (b"....", ""),
        (b"a.b.c", ""),
        (signed(claims()).replace(b".", b"..", 1), ""),
        (signed(claims())[:-2], ""),
        ("ünïcödé".encode(), ""),
        (b"\x00", ""),
        (b"a b", ""),
    ],
    ids=lambda value: repr(value)[-30:],
)
def test_a_token_that_is_not_ours_is_refused(
    authenticator: Authenticator, token: bytes, description: str
) -> None:
    assert_refused(authenticator, bearer(token), description)


@pytest.mark.parametrize(
    "values",
    [
        [b""],
        [b"Bearer"],
        [b"Bearer "],
        [b"Basic dXNlcjpwYXNz"],
        [signed(claims())],
        [b"Bearer\t" + signed(claims())],
        [b"Bearer " + signed(claims())] * 2,
        [b"Bearer " + signed(claims()), b""],
    ],
)
def test_a_header_of_another_form_is_refused(
    authenticator: Authenticator, values: list[bytes]
) -> None:
    assert_refused(authenticator, [(b"authorization", value) for value in values])


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_refused(token: bytes) -> None:
    with warnings.catch_warnings():
        assert_refused(Authenticator(SECRET), bearer(token))


def test_clocks_may_differ_a_little(authenticator: Authenticator) -> None:
    now = int(time.time())
    just = claims(exp=now - LEEWAY_SECONDS // 2, nbf=now + LEEWAY_SECONDS // 2)
    assert authenticator.user_id(bearer(signed(just))) == 42


def test_a_token_that_was_good_expires_all_the_same(
    authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = bearer(signed(claims()))
    assert authenticator.user_id(token) == 42
    monkeypatch.setattr(time, "time", lambda: LATER + LEEWAY_SECONDS - 1)
    assert authenticator.user_id(token) == 42
    monkeypatch.setattr(time, "time", lambda: LATER + LEEWAY_SECONDS + 1)
    assert_refused(authenticator, token, "expired")


def test_a_short_key_works_and_says_nothing_with_every_token() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        authenticator = Authenticator("short")
        for user_id in range(1, 4):
            token = signed(claims(sub=user_id), secret="short")
            assert authenticator.user_id(bearer(token)) == user_id
        assert caught == []


def test_a_public_key_is_no_secret() -> None:
    with warnings.catch_warnings(), pytest.raises(UsageError, match="SECRET_KEY"):
        Authenticator("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")


def test_tokens_of_pyjwt_are_understood(authenticator: Authenticator) -> None:
    token = jwt.encode(claims(), SECRET, algorithm="HS256").encode()
    assert authenticator.user_id(bearer(token)) == 42
