"""Who asks: the user id of a bearer token (JWT, HS256), or nobody."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import jwt

from app.api.parameters import MAX_ID, read_id
from app.api.problems import Problem
from app.console import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Scope

ALGORITHM = "HS256"
LEEWAY_SECONDS = 30
MAX_TOKEN_BYTES = 4096
REMEMBERED_TOKENS = 4096

SESSION_USER = "eventrank.session_user"
"""Where a request's scope has the user id of a page's session, if it came with one."""


class Authenticator:
    """Verifies tokens with one key; the role and the rest are looked up by SQL."""

    def __init__(self, secret_key: str) -> None:
        self._key = secret_key.encode()
        # Once is enough: the server says so itself when it starts.
        warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)
        try:
            jwt.encode({}, self._key, ALGORITHM)
        except jwt.InvalidKeyError:
            raise UsageError(
                "SECRET_KEY is the public half of a key pair or empty: expected random characters"
            ) from None
        # Verifying costs more than all the rest of a request's Python. A token that was good is
        # good until it expires, so only that is asked again.
        self._verified: dict[bytes, tuple[int, float]] = {}

    def asker(self, scope: Scope) -> int | None:
        """Give the id of who sends a request: the page's session, else the token's user."""
        session_user: int | None = scope.get(SESSION_USER)
        return self.user_id(scope["headers"]) if session_user is None else session_user

    def user_id(self, headers: Iterable[tuple[bytes, bytes]]) -> int | None:
        """Give the id of the token's user, or None when no token was sent; a bad one is a 401."""
        values = [value for name, value in headers if name == b"authorization"]
        if not values:
            return None
        if len(values) > 1:
            raise _refused("the header Authorization was sent more than once")
        scheme, _, token = values[0].partition(b" ")
        token = token.strip(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise _refused("the header Authorization is not of the form Bearer and a token")
        return self.verify(token)[0]

    def verify(self, token: bytes) -> tuple[int, float]:
        """Give the user id of a token, and when it expires; a bad one is a 401."""
        verified = self._verified.get(token)
        if verified is None:
            verified = self._verify(token)
            if len(self._verified) >= REMEMBERED_TOKENS:
                self._verified.clear()
            self._verified[token] = verified
        if verified[1] <= time.time() - LEEWAY_SECONDS:
            self._verified.pop(token, None)
            raise _refused("the token has expired")
        return verified

    def _verify(self, token: bytes) -> tuple[int, float]:
        if len(token) > MAX_TOKEN_BYTES:
            raise _refused("the token is too long")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "sub"], "verify_sub": False},
            )
        except jwt.ExpiredSignatureError:
            raise _refused("the token has expired") from None
        except jwt.ImmatureSignatureError:
            raise _refused("the token is not valid yet") from None
        except jwt.InvalidAudienceError:
            raise _refused("the token is meant for somebody else") from None
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"the token has no {error.claim}") from None
        except jwt.InvalidSignatureError:
            raise _refused("the token was signed with another key") from None
        except jwt.InvalidAlgorithmError:
            raise _refused(f"the token is not signed with {ALGORITHM}") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            # PyJWT turns the claims into numbers, whatever they are.
            raise _refused("the token is malformed") from None
        return _user_id(claims["sub"]), _expiry(claims["exp"])


def _user_id(subject: Any) -> int:
    user_id = subject
    if isinstance(subject, str):
        user_id = read_id(subject)
    if type(user_id) is not int or not 1 <= user_id <= MAX_ID:
        raise _refused("the token's sub is not a user id")
    return user_id


def _expiry(moment: Any) -> float:
    if type(moment) not in {int, float}:
        raise _refused("the token's exp is not a number")
    return float(min(moment, 10**18))


def _refused(description: str) -> Problem:
    challenge = f'Bearer error="invalid_token", error_description="{description}"'
    return Problem(401, description, headers={"WWW-Authenticate": challenge})
