"""The server's own settings: read from the environment, bounded, secrets never shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from app.api.settings import ServerSettings, read_server_settings
from app.console import EXIT_USAGE, UsageError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "correct-horse-battery-staple-0123"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names a key and nothing else of the server's."""
    for name in ServerSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SECRET_KEY", SECRET)


def refusal_of(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> str:
    monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(UsageError) as refusal:
        read_server_settings()
    assert refusal.value.exit_code == EXIT_USAGE
    return str(refusal.value)


def test_only_the_key_has_to_be_given() -> None:
    assert read_server_settings().model_dump(exclude={"secret_key"}) == {
        "database_url": None,
        "host": "127.0.0.1",
        "port": 8000,
        "cors_origins": (),
        "forwarded_allow_ips": "127.0.0.1",
        "database_pool_size": 8,
        "database_timeout_seconds": 5,
        "database_prepared_statements": True,
        "max_body_bytes": 2 * 1024 * 1024,
        "desk_enabled": True,
        "demo_mode": False,
        "log_level": "info",
        "log_format": "text",
    }


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_a_blank_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    for name in ServerSettings.model_fields:
        if name != "secret_key":
            monkeypatch.setenv(name.upper(), blank)
    assert read_server_settings() == ServerSettings.model_validate({"secret_key": SECRET})
    refusal = refusal_of(monkeypatch, "SECRET_KEY", blank)
    assert refusal.startswith("SECRET_KEY is not set: ")


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("HOST", " 0.0.0.0 ", "0.0.0.0"),
        ("PORT", " 80 ", 80),
        ("PORT", "0", 0),
        ("CORS_ORIGINS", "*", ("*",)),
        ("CORS_ORIGINS", ",", ()),
        ("CORS_ORIGINS", "https://a.example", ("https://a.example",)),
        (
            "CORS_ORIGINS",
            "https://A.example:443, http://localhost:3000,http://[::1]:80",
            ("https://a.example", "http://localhost:3000", "http://[::1]"),
        ),
        ("FORWARDED_ALLOW_IPS", "*", "*"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.0/8, ::1", "10.0.0.0/8,::1"),
        ("DATABASE_POOL_SIZE", "1", 1),
        ("DATABASE_TIMEOUT_SECONDS", "2.5", 2.5),
        ("DATABASE_TIMEOUT_SECONDS", "1e1", 10),
        ("DATABASE_PREPARED_STATEMENTS", "Off", False),
        ("MAX_BODY_BYTES", "2048", 2048),
        ("LOG_LEVEL", "WARNING", "warning"),
        ("LOG_FORMAT", "JSON", "json"),
    ],
)
def test_a_variable_is_read_in_the_ways_people_write_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: object
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(read_server_settings(), name.lower()) == read


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "65536", "an integer from 0 to 65535"),
        ("PORT", "-1", "an integer from 0 to 65535"),
        ("PORT", "http", "an integer from 0 to 65535"),
        ("PORT", "8e3", "an integer from 0 to 65535"),
        ("PORT", "8_000", "an integer from 0 to 65535"),
        ("PORT", "9" * 5000, "an integer from 0 to 65535"),
        ("HOST", "caf\udce9", "text in UTF-8"),
        ("CORS_ORIGINS", "*,https://a.example", "origins such as https://example.org"),
        ("CORS_ORIGINS", "a.example", "origins such as https://example.org"),
        ("CORS_ORIGINS", "https://a.example/", "origins such as https://example.org"),
        ("CORS_ORIGINS", "https://a.example?", "origins such as https://example.org"),
        ("CORS_ORIGINS", "https://me@a.example", "origins such as https://example.org"),
        ("CORS_ORIGINS", "https://a.example:99999", "origins such as https://example.org"),
        ("CORS_ORIGINS", "https://a.example:", "origins such as https://example.org"),
        ("CORS_ORIGINS", "https://*.example", "origins such as https://example.org"),
        ("CORS_ORIGINS", "null", "origins such as https://example.org"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1/8", "addresses or networks such as 10.0.0.0/8"),
        ("FORWARDED_ALLOW_IPS", "proxy", "addresses or networks such as 10.0.0.0/8"),
        ("FORWARDED_ALLOW_IPS", "*,::1", "addresses or networks such as 10.0.0.0/8"),
        ("DATABASE_POOL_SIZE", "0", "an integer from 1 to 1000"),
        ("DATABASE_TIMEOUT_SECONDS", "nan", "a number from 0.1 to 300"),
        ("DATABASE_TIMEOUT_SECONDS", "inf", "a number from 0.1 to 300"),
        ("DATABASE_TIMEOUT_SECONDS", "0", "a number from 0.1 to 300"),
        ("DATABASE_PREPARED_STATEMENTS", "maybe", "a boolean"),
        ("MAX_BODY_BYTES", "1023", "an integer from 1024 to 1073741824"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error, critical"),
        ("LOG_FORMAT", "xml", "one of text, json"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variables_name_and_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    refusal = refusal_of(monkeypatch, name, value)
    assert refusal.startswith(f"{name} is {value!r}: expected {expected}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "hunter2"),
        ("DATABASE_URL", "mysql://me:hunter2@db.example.org/events"),
        ("DATABASE_URL", "postgresql://me:hunter2/3@db.example.org/events"),
        ("DATABASE_URL", "postgresql://me:hunter2@db.example.org:port/events"),
        ("DATABASE_URL", "postgresql://me:hunter2\udce9@db.example.org/events"),
        ("SECRET_KEY", "hunter2\udce9"),
    ],
)
def test_a_wrong_secret_is_refused_by_name_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    refusal = refusal_of(monkeypatch, name, value)
    assert refusal.startswith(f"{name} is wrong: expected ")
    assert "hunter2" not in refusal


def test_secrets_show_themselves_to_nobody_who_prints_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgres://me:hunter2@db.example.org/events")
    settings = read_server_settings()
    assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump_json()}"
    assert settings.address() == "postgresql://me:hunter2@db.example.org/events"
    assert settings.secret_key.get_secret_value() == "hunter2"


@pytest.mark.parametrize(("secret", "short"), [("x" * 31, True), ("x" * 32, False), ("é" * 16, 0)])
def test_a_key_is_as_long_as_its_bytes(
    monkeypatch: pytest.MonkeyPatch, secret: str, short: bool
) -> None:
    monkeypatch.setenv("SECRET_KEY", secret)
    assert read_server_settings().has_short_secret == short


def test_only_variables_in_capitals_are_read_and_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("port", "2")
    assert read_server_settings().port == 8000


def test_every_setting_says_what_it_is_for() -> None:
    assert [
        name for name, field in ServerSettings.model_fields.items() if not field.description
    ] == []
