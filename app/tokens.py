"""Bearer tokens for people who try things out, and the key that signs them."""

from __future__ import annotations

import os
import secrets
import time
import warnings
from pathlib import Path

import jwt

from app.console import UsageError, UserError

SECRET_KEY_FILE = Path(__file__).resolve().parents[1] / ".data" / "secret_key"
"""Made by the demo, for `make serve` and scripts/issue_token.py; the server reads no file."""


def secret_key(file: Path = SECRET_KEY_FILE) -> str:
    """Give SECRET_KEY, else the key that the demo made."""
    given = os.environ.get("SECRET_KEY", "")
    if given.strip():
        return given
    if made := _read(file):
        return made
    raise UsageError(
        "SECRET_KEY is not set, and the demo (make demo) has not made a key here: give the key that"
        " the server has"
    )


def make_secret_key(file: Path = SECRET_KEY_FILE) -> None:
    """Write a new key that only this account can read, unless there is one."""
    if _read(file):
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as output:  # noqa: PTH123
            output.write(f"{secrets.token_hex(32)}\n")
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None


def issue_token(user_id: int, hours: float, key: str) -> str:
    """Sign a token for the user that expires after so many hours."""
    claims = {"sub": str(user_id), "exp": int(time.time() + hours * 3600)}
    with warnings.catch_warnings():
        # The server says it loudly.
        warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
        try:
            return jwt.encode(claims, key.encode(), algorithm="HS256")
        except (jwt.InvalidKeyError, UnicodeEncodeError):
            raise UsageError("SECRET_KEY is wrong: expected random characters in UTF-8") from None


def _read(file: Path) -> str:
    """Give the key of the file, or nothing where there is none."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"cannot read {file}: {getattr(error, 'strerror', None) or error}"
        ) from None
