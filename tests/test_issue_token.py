"""scripts/issue_token.py prints a token, and nothing else, with the key the server has."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest

from app.console import EXIT_USAGE, UsageError, UserError
from app.tokens import issue_token, make_secret_key, secret_key

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "issue_token.py"
SECRET = "correct-horse-battery-staple-0123"


def issue(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), *arguments],
        env=kept | {"SECRET_KEY": SECRET} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("arguments", "hours"), [((), 24), (("--hours", "0.5"), 0.5)])
def test_the_token_is_all_that_is_printed(arguments: tuple[str, ...], hours: float) -> None:
    done = issue("--user-id", "184", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    claims = jwt.decode(done.stdout.removesuffix("\n"), SECRET, algorithms=["HS256"])
    assert claims.keys() == {"sub", "exp"}
    assert claims["sub"] == "184"
    assert 0 < claims["exp"] - time.time() <= hours * 3600


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "--user-id"),
        (("--user-id", "0"), "'0' is not a whole number from 1 to 2,147,483,647"),
        (("--user-id", "2147483648"), "is not a whole number"),
        (("--user-id", "ana"), "is not a whole number"),
        (("--user-id", "1", "--hours", "0"), "'0' is not a number above 0"),
        (("--user-id", "1", "--hours", "nan"), "'nan' is not a number above 0"),
    ],
)
def test_a_wrong_argument_is_named(arguments: tuple[str, ...], expected: str) -> None:
    done = issue(*arguments)
    assert done.returncode == EXIT_USAGE
    assert done.stdout == ""
    assert expected in done.stderr


@pytest.mark.parametrize("key", ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_a_key_that_cannot_sign_is_refused_by_name_and_not_shown(key: str) -> None:
    done = issue("--user-id", "1", SECRET_KEY=key)
    assert done.returncode == EXIT_USAGE
    assert done.stderr.startswith("error: SECRET_KEY is wrong: ")
    assert "AAAA" not in done.stderr


def test_the_key_of_the_environment_comes_before_the_demos(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".data" / "secret_key"
    make_secret_key(file)
    monkeypatch.setenv("SECRET_KEY", SECRET)
    assert secret_key(file) == SECRET
    monkeypatch.setenv("SECRET_KEY", " ")
    assert secret_key(file) == file.read_text(encoding="ascii").strip()


def test_without_any_key_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(UsageError, match=r"^SECRET_KEY is not set") as refusal:
        secret_key(tmp_path / "secret_key")
    assert refusal.value.exit_code == EXIT_USAGE


def test_the_demos_key_is_long_random_private_and_made_once(tmp_path: Path) -> None:
    file = tmp_path / ".data" / "secret_key"
    make_secret_key(file)
    made = file.read_bytes()
    assert len(bytes.fromhex(made.decode())) >= 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    make_secret_key(file)
    assert file.read_bytes() == made
    make_secret_key(tmp_path / "another")
    assert (tmp_path / "another").read_bytes() != made


def test_an_empty_key_file_is_none_and_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    file = tmp_path / "secret_key"
    file.write_text("\n", encoding="ascii")
    with pytest.raises(UsageError):
        secret_key(file)
    make_secret_key(file)
    assert len(secret_key(file)) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(UserError, match=rf"^cannot read {tmp_path}: "):
        secret_key(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^cannot (read|write) "):
        make_secret_key(tmp_path / "file" / "secret_key")


def test_a_token_of_a_short_key_is_issued_without_a_warning_of_the_library() -> None:
    token = issue_token(1, 1, "hunter2")
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
